"""paho-mqtt against a broker: `paho_suite.py URL [FOLDER]`, one TAP-like line for each check.

The scheme of the URL says how to connect; over TLS the folder holds ca.crt, client.crt and client.key.
Every wait is for an event and has a deadline. `SETTLE` is the only pause, used where the
point is that nothing arrives.
"""

import socket
import struct
import sys
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlparse

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

DEADLINE = 10.0
SETTLE = 0.3
TRANSPORTS = {"mqtt": "tcp", "mqtts": "tcp", "ws": "websockets", "wss": "websockets", "mqtt+unix": "unix"}
VERSIONS = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}


class Peer:
    """One client with its network thread; what it saw is guarded by one condition."""

    def __init__(self, broker, client_id=None, clean=True, expiry=0, will=None, **properties):
        self.id = fresh("client") if client_id is None else client_id
        self.messages = []
        self.session_present = None
        self.granted = None
        self.refusals = []
        self._connected = self._closed = False
        self._acknowledged = {}
        self._changed = threading.Condition()
        v5 = broker.version == mqtt.MQTTv5
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.id,
            clean_session=None if v5 else clean,
            protocol=broker.version,
            transport=broker.transport,
            reconnect_on_failure=False,
        )
        if broker.tls:
            self._client.tls_set(**broker.tls)
        if broker.transport == "websockets":
            self._client.ws_set_options(path=broker.path)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_subscribe
        if will:
            self._client.will_set(*will)
        options = {}
        if v5:
            wishes = Properties(PacketTypes.CONNECT)
            wishes.SessionExpiryInterval = expiry
            for name, value in properties.items():
                setattr(wishes, name, value)
            options = {"clean_start": clean, "properties": wishes}
        self._client.connect(broker.host, broker.port, keepalive=30, **options)
        self._client.loop_start()
        self.wait("CONNACK", lambda: self._connected or self._closed)
        assert self._connected, "connection refused"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.disconnect()

    def wait(self, what, condition):
        """Waits until `condition` holds; it is looked at again after every callback."""
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), (
                f"no {what} within {DEADLINE:.0f} s; seen: {[show(m) for m in self.messages][:30]}"
            )

    def subscribe(self, topic_filter, qos=0, options=None):
        """Subscribes and returns the reason codes of the SUBACK."""
        if options:
            result, mid = self._client.subscribe(topic_filter, options=options)
        else:
            result, mid = self._client.subscribe(topic_filter, qos)
        assert result == mqtt.MQTT_ERR_SUCCESS, f"subscribe: {result}"
        self.wait(f"SUBACK for {topic_filter}", lambda: mid in self._acknowledged)
        return [code.value for code in self._acknowledged[mid]]

    def unsubscribe(self, topic_filter):
        """Unsubscribes and returns the reason codes of the UNSUBACK."""
        _, mid = self._client.unsubscribe(topic_filter)
        self.wait(f"UNSUBACK for {topic_filter}", lambda: mid in self._acknowledged)
        return [code.value for code in self._acknowledged[mid]]

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        """Publishes and waits until the message is sent (QoS 0) or acknowledged."""
        sent = self._client.publish(topic, payload, qos, retain, properties)
        sent.wait_for_publish(DEADLINE)
        assert sent.is_published(), f"no acknowledgement for {topic} at QoS {qos}"

    def expect(self, wanted):
        """Waits for as many messages as wanted, and compares (topic, payload, qos, retain)."""
        self.wait(f"{len(wanted)} messages", lambda: len(self.messages) >= len(wanted))
        seen = [show(message) for message in self.messages]
        assert seen == wanted, f"expected {wanted}, saw {seen}"

    def expect_by_topic(self, wanted):
        """Like `expect`, but the order counts within each topic only."""
        self.wait(f"{len(wanted)} messages", lambda: len(self.messages) >= len(wanted))
        seen = sorted((show(message) for message in self.messages), key=lambda m: m[0])
        wanted = sorted(wanted, key=lambda m: m[0])
        assert seen == wanted, f"expected {wanted}, saw {seen}"

    def disconnect(self):
        """Says goodbye with DISCONNECT and waits for the end of the connection."""
        if not self._closed:
            self._client.disconnect()
            self.wait("end of connection", lambda: self._closed)
        self._client.loop_stop()

    def kill(self):
        """Cuts the connection without a DISCONNECT, and without the end that TLS or WebSocket has."""
        connection = self._client.socket()
        connection = getattr(connection, "_socket", connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        self.wait("end of connection", lambda: self._closed)
        self._client.loop_stop()

    def _on_connect(self, _client, _data, flags, reason, properties):
        with self._changed:
            self._connected = not reason.is_failure
            self._closed = reason.is_failure
            self.session_present = flags.session_present
            self.granted = properties
            self._changed.notify_all()

    def _on_disconnect(self, *_):
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _on_message(self, _client, _data, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def _on_subscribe(self, _client, _data, mid, codes, _properties):
        with self._changed:
            self._acknowledged[mid] = codes
            self._changed.notify_all()

    def _on_publish(self, _client, _data, _mid, reason, properties):
        with self._changed:
            if reason.is_failure:
                self.refusals.append((reason.value, getattr(properties, "ReasonString", None)))


class Broker:
    """Where the broker is, how to connect, and the protocol version to speak to it."""

    def __init__(self, url, folder, version):
        parts = urlparse(url)
        self.transport = TRANSPORTS[parts.scheme]
        self.host, self.port = (parts.path, 1) if self.transport == "unix" else (parts.hostname, parts.port)
        self.path, self.version, self.tls = parts.path, version, None
        if parts.scheme in ("mqtts", "wss"):
            files = {"ca_certs": "ca.crt", "certfile": "client.crt", "keyfile": "client.key"}
            self.tls = {option: str(Path(folder, name)) for option, name in files.items()}

    def peer(self, *args, **kwargs):
        return Peer(self, *args, **kwargs)

    def resume(self, client, expiry=300):
        """Connects to a session that must be there; CONNACK of MQTT 3.1 cannot say so."""
        peer = self.peer(client, clean=False, expiry=expiry)
        told = self.version != mqtt.MQTTv31
        assert peer.session_present == told, "session not present"
        return peer


def fresh(name):
    """A topic prefix or client identifier that no other check uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


def show(message):
    return (message.topic, message.payload.decode(errors="replace"), message.qos, message.retain)


def qos_both_ways(published, subscribed):
    def check(broker):
        topic, qos = fresh("qos"), min(published, subscribed)
        with broker.peer() as receiver, broker.peer() as sender:
            granted = receiver.subscribe(topic, subscribed)
            assert granted == [subscribed], f"granted {granted}, asked for {subscribed}"
            for number in range(20):
                sender.publish(topic, str(number), published)
            # What comes twice stands before the last message or fails the comparison.
            sender.publish(topic, "last", published)
            receiver.expect([(topic, str(n), qos, False) for n in range(20)] + [(topic, "last", qos, False)])

    return check


def own_messages(broker):
    topic = fresh("own")
    with broker.peer() as peer:
        peer.subscribe(topic, 2)
        for qos in (0, 1, 2):
            peer.publish(topic, f"qos {qos}", qos)
        peer.wait("three messages", lambda: len(peer.messages) >= 3)
        seen = sorted(message.qos for message in peer.messages)
        assert seen == [0, 1, 2], f"saw QoS {seen}"


def payloads(broker):
    topic = fresh("payload")
    large = bytes(range(256)) * 256
    with broker.peer() as receiver, broker.peer() as sender:
        receiver.subscribe(topic, 1)
        sender.publish(topic, b"", 1)
        sender.publish(topic, large, 1)
        receiver.wait("two messages", lambda: len(receiver.messages) >= 2)
        empty, whole = (message.payload for message in receiver.messages)
        assert empty == b"", f"expected an empty payload, saw {len(empty)} bytes"
        assert whole == large, f"expected {len(large)} bytes, saw {len(whole)}"


def retained_set_replace_delete(broker):
    topic = fresh("retained")
    with broker.peer() as sender:
        for payload, seen in (("first", True), ("second", True), ("", False)):
            sender.publish(topic, payload, 1, retain=True)
            with broker.peer() as receiver:
                receiver.subscribe(topic, 1)
                sender.publish(topic, "live", 1)
                wanted = [(topic, payload, 1, True)] if seen else []
                receiver.expect(wanted + [(topic, "live", 1, False)])


def retained_is_live_without_flag(broker):
    topic = fresh("retained-live")
    with broker.peer() as receiver, broker.peer() as sender:
        receiver.subscribe(topic, 1)
        sender.publish(topic, "now", 1, retain=True)
        receiver.expect([(topic, "now", 1, False)])
        sender.publish(topic, "", 1, retain=True)


def retained_by_wildcard(broker):
    base = fresh("retained-tree")
    with broker.peer() as sender:
        leaves = [f"{base}/a", f"{base}/b/c", f"{base}/d"]
        for leaf in leaves:
            sender.publish(leaf, leaf, 1, retain=True)
        for topic_filter, count in ((f"{base}/#", 3), (f"{base}/+", 2), ("+/b/c", 1)):
            with broker.peer() as receiver:
                receiver.subscribe(topic_filter, 0)
                receiver.wait(f"{count} retained", lambda: len(receiver.messages) >= count)
                topics = [m.topic for m in receiver.messages if m.topic.startswith(base)]
                assert len(topics) == count, f"{topic_filter}: expected {count}, saw {topics}"
                assert all(m.retain for m in receiver.messages), "retain flag missing"
        for leaf in leaves:
            sender.publish(leaf, "", 1, retain=True)


def will_on_abrupt_close(broker):
    topic = fresh("will")
    with broker.peer() as receiver:
        receiver.subscribe(topic, 1)
        broker.peer(will=(topic, "gone", 1, False)).kill()
        receiver.expect([(topic, "gone", 1, False)])


def will_retained(broker):
    topic = fresh("will-retained")
    with broker.peer() as receiver:
        receiver.subscribe(topic, 1)
        broker.peer(will=(topic, "gone", 1, True)).kill()
        receiver.expect([(topic, "gone", 1, False)])
        with broker.peer() as later:
            later.subscribe(topic, 1)
            later.expect([(topic, "gone", 1, True)])
            later.publish(topic, "", 1, retain=True)


def no_will_on_clean_disconnect(broker):
    topic = fresh("no-will")
    with broker.peer() as receiver, broker.peer() as sender:
        receiver.subscribe(topic, 1)
        broker.peer(will=(topic, "gone", 1, False)).disconnect()
        time.sleep(SETTLE)
        sender.publish(topic, "marker", 1)
        receiver.expect([(topic, "marker", 1, False)])


def wildcards(broker):
    base = fresh("wild")
    cases = [
        (f"{base}/+", [f"{base}/a", f"{base}/"]),
        (f"{base}/#", [base, f"{base}/a", f"{base}/a/b", f"{base}/"]),
        (f"{base}/+/b", [f"{base}/a/b"]),
        (f"+/{base}", [f"/{base}"]),
        (f"{base}/a", [f"{base}/a"]),
    ]
    published = [base, f"{base}/a", f"{base}/a/b", f"{base}/", f"/{base}", f"{base}x/a"]
    for topic_filter, matching in cases:
        with broker.peer() as receiver, broker.peer() as sender:
            receiver.subscribe(topic_filter, 1)
            receiver.subscribe(f"end-{base}", 1)
            for topic in published:
                sender.publish(topic, "m", 1)
            sender.publish(f"end-{base}", "end", 1)
            wanted = [(t, "m", 1, False) for t in published if t in matching]
            receiver.expect(wanted + [(f"end-{base}", "end", 1, False)])


def dollar_topics_hidden(broker):
    """[MQTT-4.7.2-1]; the publisher may be refused, a subscriber to `#` must see nothing."""
    marker = fresh("marker")
    with broker.peer() as all_topics, broker.peer() as one_level, broker.peer() as sender:
        all_topics.subscribe("#", 0)
        one_level.subscribe("+/dollar", 0)
        one_level.subscribe(marker, 0)
        bold = broker.peer()
        try:
            bold.publish("$interop/dollar", "hidden", 0)
            bold.disconnect()
        except AssertionError:
            pass
        time.sleep(SETTLE)
        sender.publish(marker, "end", 1)
        for receiver in (all_topics, one_level):
            receiver.wait("the marker", lambda: any(m.topic == marker for m in receiver.messages))
            hidden = [m.topic for m in receiver.messages if m.topic.startswith("$")]
            assert not hidden, f"saw {hidden}"


def unsubscribe(broker):
    topic = fresh("unsubscribe")
    with broker.peer() as receiver, broker.peer() as sender:
        receiver.subscribe(topic, 1)
        receiver.subscribe(f"{topic}/end", 1)
        receiver.unsubscribe(topic)
        sender.publish(topic, "unwanted", 1)
        sender.publish(f"{topic}/end", "end", 1)
        receiver.expect([(f"{topic}/end", "end", 1, False)])


def session_keeps_messages(broker):
    client, base = fresh("session"), fresh("away")
    first = broker.peer(client, clean=False, expiry=300)
    assert not first.session_present, "session present on the first connection"
    first.subscribe(f"{base}/#", 2)
    first.disconnect()
    wanted = []
    with broker.peer() as sender:
        for number in range(10):
            for qos in (1, 2):
                sender.publish(f"{base}/{qos}", str(number), qos)
                wanted.append((f"{base}/{qos}", str(number), qos, False))
        with broker.resume(client) as second:
            for qos in (1, 2):
                sender.publish(f"{base}/{qos}", "live", qos)
                wanted.append((f"{base}/{qos}", "live", qos, False))
            second.expect_by_topic(wanted)
    with broker.resume(client) as third:
        third.publish(f"{base}/1", "again", 1)
        third.expect([(f"{base}/1", "again", 1, False)])
    broker.peer(client, clean=True).disconnect()


def session_after_abrupt_close(broker):
    client, topic = fresh("session"), fresh("cut")
    first = broker.peer(client, clean=False, expiry=300)
    first.subscribe(topic, 1)
    first.kill()
    with broker.peer() as sender:
        sender.publish(topic, "while away", 1)
    with broker.resume(client) as second:
        second.expect([(topic, "while away", 1, False)])
    broker.peer(client, clean=True).disconnect()


def clean_start_discards(broker):
    client, topic = fresh("session"), fresh("discard")
    first = broker.peer(client, clean=False, expiry=300)
    first.subscribe(topic, 1)
    first.disconnect()
    with broker.peer() as sender:
        sender.publish(topic, "lost", 1)
        with broker.peer(client, clean=True) as second:
            assert not second.session_present, "session present after a clean start"
            second.subscribe(f"{topic}/end", 1)
            sender.publish(topic, "unsubscribed", 1)
            sender.publish(f"{topic}/end", "end", 1)
            second.expect([(f"{topic}/end", "end", 1, False)])


def takeover(broker):
    client = fresh("taken")
    first = broker.peer(client)
    with broker.peer(client):
        first.wait("end of the first connection", lambda: first._closed)
    first.disconnect()


def properties_travel(broker):
    topic = fresh("properties")
    sent = Properties(PacketTypes.PUBLISH)
    sent.ContentType = "text/plain"
    sent.ResponseTopic = "answers"
    sent.CorrelationData = b"\x00\x01"
    sent.PayloadFormatIndicator = 1
    sent.UserProperty = [("a", "1"), ("a", "2"), ("b", "3")]
    with broker.peer() as receiver, broker.peer() as sender:
        receiver.subscribe(topic, 1)
        sender.publish(topic, "m", 1, properties=sent)
        receiver.wait("a message", lambda: receiver.messages)
        seen = receiver.messages[0].properties
        for name in ("ContentType", "ResponseTopic", "CorrelationData", "PayloadFormatIndicator", "UserProperty"):
            wanted, found = getattr(sent, name), getattr(seen, name, None)
            assert found == wanted, f"{name}: expected {wanted!r}, saw {found!r}"


def subscription_options(broker):
    topic = fresh("options")
    with broker.peer() as receiver, broker.peer() as sender:
        sender.publish(topic, "kept", 1, retain=True)
        receiver.subscribe(topic, options=SubscribeOptions(1, noLocal=True, retainAsPublished=True, retainHandling=2))
        receiver.publish(topic, "own", 1)
        sender.publish(topic, "new", 1, retain=True)
        sender.publish(topic, "end", 1)
        receiver.expect([(topic, "new", 1, True), (topic, "end", 1, False)])
        sender.publish(topic, "", 1, retain=True)


def alias_properties(alias):
    properties = Properties(PacketTypes.PUBLISH)
    properties.TopicAlias = alias
    return properties


def topic_aliases_of_the_client(broker):
    topic, other = fresh("alias"), fresh("alias")
    with broker.peer() as receiver, broker.peer() as sender:
        assert sender.granted.TopicAliasMaximum >= 1, "the broker takes no aliases"
        receiver.subscribe(topic, 1)
        receiver.subscribe(other, 1)
        for name in (topic, "", other, ""):
            sender.publish(name, "m", 1, properties=alias_properties(1))
        receiver.expect([(t, "m", 1, False) for t in (topic, topic, other, other)])


def topic_aliases_of_the_broker(broker):
    """paho hands the alias on, so it is resolved here."""
    base = fresh("alias")
    topics = [f"{base}/{number % 3}" for number in range(12)]
    with broker.peer(TopicAliasMaximum=2) as receiver, broker.peer() as sender:
        receiver.subscribe(f"{base}/+", 1)
        for topic in topics:
            sender.publish(topic, "m", 1)
        receiver.wait("all messages", lambda: len(receiver.messages) >= len(topics))
        known, seen = {}, []
        for message in receiver.messages:
            alias = getattr(message.properties, "TopicAlias", None)
            assert alias in (None, 1, 2), f"alias {alias}, two are allowed"
            if message.topic and alias:
                known[alias] = message.topic
            seen.append(message.topic or known[alias])
        assert seen == topics, f"expected {topics}, saw {seen}"
        assert len(known) == 2, f"two aliases are allowed, used were {known}"


def request_and_response(broker):
    requests, answers = fresh("requests"), fresh("answers")
    with broker.peer() as server, broker.peer() as client:
        server.subscribe(requests, 1)
        client.subscribe(answers, 1)
        for data in (b"\x00\xff", b"second"):
            request = Properties(PacketTypes.PUBLISH)
            request.ResponseTopic, request.CorrelationData = answers, data
            client.publish(requests, "?", 1, properties=request)
        server.wait("two requests", lambda: len(server.messages) >= 2)
        for request in reversed(server.messages[:2]):
            answer = Properties(PacketTypes.PUBLISH)
            answer.CorrelationData = request.properties.CorrelationData
            server.publish(request.properties.ResponseTopic, "!", 1, properties=answer)
        client.wait("two answers", lambda: len(client.messages) >= 2)
        seen = [message.properties.CorrelationData for message in client.messages]
        assert seen == [b"second", b"\x00\xff"], f"saw {seen}"


def assigned_client_identifier(broker):
    first, second = broker.peer("", clean=False, expiry=300), broker.peer("")
    names = [peer.granted.AssignedClientIdentifier for peer in (first, second)]
    assert names[0] and names[1] and names[0] != names[1], f"assigned {names}"
    first.disconnect()
    second.disconnect()
    broker.resume(names[0]).disconnect()
    broker.peer(names[0], clean=True).disconnect()


def reason_codes(broker):
    """At QoS 1: paho answers a PUBREC that refuses with PUBREL all the same."""
    with broker.peer() as peer:
        peer.publish("$SYS/interop", "m", 1)
        peer.wait("a refusal", lambda: peer.refusals)
        [(code, words)] = peer.refusals
        assert code == 0x90 and words, f"saw {peer.refusals}"
        topic = fresh("reason")
        peer.subscribe(topic, 1)
        codes = peer.unsubscribe(topic) + peer.unsubscribe(topic)
        assert codes == [0x00, 0x11], f"saw {codes}"


def shared_subscription(broker):
    """Members take turns; what one leaves behind goes to the other."""
    topic = fresh("shared")
    with broker.peer() as one, broker.peer() as two, broker.peer() as sender:
        for peer in (one, two):
            peer.subscribe(f"$share/group/{topic}", 1)
            peer.subscribe(f"{topic}/end", 1)
        wanted = [str(number) for number in range(20)]
        for payload in wanted:
            sender.publish(topic, payload, 1)
        sender.publish(f"{topic}/end", "end", 1)
        seen = []
        for peer in (one, two):
            peer.wait("the end", lambda: any(m.topic.endswith("/end") for m in peer.messages))
            mine = [m.payload.decode() for m in peer.messages if m.topic == topic]
            assert len(mine) == 10, f"expected 10 of 20, saw {mine}"
            seen += mine
        assert sorted(seen, key=int) == wanted, f"expected each once, saw {sorted(seen, key=int)}"
        one.disconnect()
        sender.publish(topic, "alone", 1)
        two.wait("the rest", lambda: two.messages[-1].payload == b"alone")


def checks(version):
    """The checks of one protocol version, by name."""
    for published in (0, 1, 2):
        for subscribed in (0, 1, 2):
            name = f"QoS {published} published, QoS {subscribed} subscribed"
            yield name, qos_both_ways(published, subscribed)
    yield "a client receives its own messages", own_messages
    yield "empty and 64 KiB payloads arrive whole", payloads
    yield "retained message: set, replace, delete", retained_set_replace_delete
    yield "retained message is live to those subscribed", retained_is_live_without_flag
    yield "retained messages by wildcard", retained_by_wildcard
    yield "will message after an abrupt close", will_on_abrupt_close
    yield "will message is retained when asked", will_retained
    yield "no will message after DISCONNECT", no_will_on_clean_disconnect
    yield "wildcards + and #", wildcards
    yield "$-topics are hidden from wildcards", dollar_topics_hidden
    yield "unsubscribe", unsubscribe
    yield "session keeps QoS 1 and 2 messages, once and in order", session_keeps_messages
    yield "session survives an abrupt close", session_after_abrupt_close
    yield "clean start discards the session", clean_start_discards
    yield "a second connection takes over", takeover
    yield "shared subscription: members take turns", shared_subscription
    if version == mqtt.MQTTv5:
        yield "properties travel", properties_travel
        yield "no local, retain as published, retain handling", subscription_options
        yield "topic aliases of the client", topic_aliases_of_the_client
        yield "topic aliases of the broker", topic_aliases_of_the_broker
        yield "request and response with correlation data", request_and_response
        yield "assigned client identifiers", assigned_client_identifier
        yield "reason codes and strings", reason_codes


def main():
    url, folder = sys.argv[1], (sys.argv[2:] or [None])[0]
    failed = 0
    for label, version in VERSIONS.items():
        broker = Broker(url, folder, version)
        for name, check in checks(version):
            try:
                check(broker)
                print(f"ok {label} {name}", flush=True)
            except Exception as error:  # noqa: BLE001: any failure is the result of the check
                failed += 1
                reason = f"{type(error).__name__}: {error}".replace("\n", " ")
                print(f"not ok {label} {name} # {reason}", flush=True)
    print("done", flush=True)
    sys.exit(1 if failed else 0)


main()
