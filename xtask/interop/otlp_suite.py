"""What a broker sends by OTLP, decoded by OpenTelemetry's own messages: `otlp_suite.py FOLDER`, one TAP-like line for each check.

The collector is Python's http.server, and opentelemetry-proto (the classes that are generated from the protocol's
definition) reads what comes. `config FILE` says where the broker's config is, and its host and port come back on standard
input. Clients are paho-mqtt's.
"""

import http.server
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

DEADLINE = 20.0
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# Of each QoS so many are published without a trace.
MANY = {0: 3, 1: 5, 2: 2}


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what it is sent."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.metrics, self.resources, self.spans, self.wrong = [], [], [], []
        self.changed = threading.Condition()

    def wait(self, look, what):
        """Returns the first thing that `look` finds."""
        found = None

        def is_found():
            nonlocal found
            found = look()
            return bool(found)

        with self.changed:
            assert self.changed.wait_for(is_found, DEADLINE), f"in vain waited for: {what}"
        return found


class Endpoint(http.server.BaseHTTPRequestHandler):
    """OTLP over HTTP, as its specification says."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kinds = {
            "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
            "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
        }
        collector = self.server
        with collector.changed:
            try:
                request, response = kinds[self.path]
                assert self.headers["Content-Type"] == "application/x-protobuf", self.headers
                assert self.headers["Authorization"] == "Bearer of a collector", self.headers
                self.keep(request.FromString(body))
            except Exception as error:
                collector.wrong.append(repr(error))
                self.send_error(400)
                return
            finally:
                collector.changed.notify_all()
        answer = response().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def keep(self, request):
        collector = self.server
        if isinstance(request, ExportMetricsServiceRequest):
            (all_of_it,) = request.resource_metrics
            (scope,) = all_of_it.scope_metrics
            collector.metrics.append({metric.name: metric for metric in scope.metrics})
        else:
            (all_of_it,) = request.resource_spans
            (scope,) = all_of_it.scope_spans
            collector.spans.extend(scope.spans)
        assert scope.scope.name == "flux-otlp" and scope.scope.version, scope.scope
        collector.resources.append(attributes(all_of_it.resource))

    def log_message(self, *_):
        pass


class Peer:
    """One client of MQTT 5.0 on a connection."""

    def __init__(self, address, name):
        self.changed = threading.Condition()
        self.connected, self.subscribed, self.acknowledged, self.received = False, False, set(), 0
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self.client.on_connect = lambda *_: self.note(connected=True)
        self.client.on_subscribe = lambda *_: self.note(subscribed=True)
        self.client.on_publish = lambda _c, _u, mid, *_: self.note(acknowledged=self.acknowledged | {mid})
        self.client.on_message = lambda *_: self.note(received=self.received + 1)
        self.client.connect(*address)
        self.client.loop_start()
        self.wait(lambda: self.connected, "CONNACK")

    def note(self, **what):
        with self.changed:
            self.__dict__.update(what)
            self.changed.notify_all()

    def wait(self, look, what):
        with self.changed:
            assert self.changed.wait_for(look, DEADLINE), f"no {what}"

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=2)
        self.wait(lambda: self.subscribed, "SUBACK")

    def publish(self, topic, qos, user_properties=(), retain=False):
        properties = Properties(PacketTypes.PUBLISH)
        if user_properties:
            properties.UserProperty = list(user_properties)
        mid = self.client.publish(topic, "payload", qos, retain, properties).mid
        self.wait(lambda: mid in self.acknowledged, "acknowledgement")


def attributes(of):
    def value(it):
        return getattr(it, it.WhichOneof("value"))

    found = {it.key: value(it.value) for it in of.attributes}
    assert len(found) == len(of.attributes), "an attribute is there twice"
    return found


def series(metric, **labels):
    """Returns the point with these attributes, which there is once."""
    kind = metric.WhichOneof("data")
    points = getattr(metric, kind).data_points
    (point,) = [point for point in points if attributes(point) == labels]
    return point


def number(metrics, name, **labels):
    return series(metrics[name], **labels).as_int


def has_moved(collector, before, name, by, **labels):
    """Waits for a metric to have moved by so much, and looks that it stays there."""

    def moved():
        return number(collector.metrics[-1], name, **labels) - number(before, name, **labels)

    collector.wait(lambda: moved() == by, f"{name}{labels} to move by {by}, it moved by {moved()}")
    count = len(collector.metrics)
    collector.wait(lambda: len(collector.metrics) > count + 1, "more metrics")
    assert moved() == by, f"it moved by {moved()}"


def counters(collector, before):
    for qos, many in MANY.items():
        # Those with a trace are of QoS 1, and one of them is refused.
        traced = 3 if qos == 1 else 0
        has_moved(collector, before, "flux_messages_received", many + traced, qos=str(qos))
        sent = many + max(traced - 1, 0)
        has_moved(collector, before, "flux_messages_sent", sent, qos=str(qos))
    has_moved(collector, before, "flux_packets_received", 2, type="CONNECT")
    has_moved(collector, before, "flux_connects", 2, version="5.0")
    metric = collector.metrics[-1]["flux_messages_received"]
    assert metric.sum.is_monotonic, "a counter is monotonic"
    assert metric.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    assert metric.description and metric.unit == "", metric
    point, earlier = series(metric, qos="1"), series(before["flux_messages_received"], qos="1")
    assert 0 < point.start_time_unix_nano == earlier.start_time_unix_nano < earlier.time_unix_nano
    assert earlier.time_unix_nano < point.time_unix_nano < time.time_ns()


def seconds(collector, before):
    metric = collector.metrics[-1]["flux_worker_busy_seconds"]
    assert metric.unit == "s" and metric.sum.is_monotonic, metric
    after = [series(metric, worker=str(it)).as_double for it in range(2)]
    earlier = [series(before["flux_worker_busy_seconds"], worker=str(it)).as_double for it in range(2)]
    assert sum(after) > sum(earlier) >= 0, (earlier, after)


def gauges(collector, before):
    has_moved(collector, before, "flux_connections", 2)
    has_moved(collector, before, "flux_subscriptions", 1)
    has_moved(collector, before, "flux_retained_messages", 1)
    metrics = collector.metrics[-1]
    assert metrics["flux_connections"].WhichOneof("data") == "gauge"
    assert number(metrics, "flux_clients", listener="front", version="5.0") == 2
    assert number(metrics, "flux_listener_connections", listener="front") == 2
    assert number(metrics, "flux_sessions", state="online") == 2
    assert metrics["flux_queued_bytes"].unit == "By"


def histograms(collector, before):
    def point(metrics, name):
        return series(metrics[name])

    def moved(name):
        return point(collector.metrics[-1], name).count - point(before, name).count

    collector.wait(lambda: moved("flux_connect_seconds") == 2, "two CONNECTs to be timed")
    collector.wait(lambda: moved("flux_acknowledgement_seconds") > 0, "an acknowledgement to be timed")
    metric = collector.metrics[-1]["flux_connect_seconds"]
    assert metric.unit == "s", metric
    assert metric.histogram.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    found = series(metric)
    bounds = list(found.explicit_bounds)
    assert bounds == sorted(set(bounds)) and len(found.bucket_counts) == len(bounds) + 1, found
    assert sum(found.bucket_counts) == found.count and 0 < found.sum < DEADLINE, found


def resource(collector, _before):
    (instance,) = {it["service.instance.id"] for it in collector.resources}
    assert len(instance) >= 16, instance
    for found in collector.resources:
        assert found["service.name"] == "meters" and found["service.version"], found
        assert found["deployment.environment.name"] == "test", found


def of_topic(collector, topic):
    def look():
        found = [it for it in collector.spans if attributes(it)["messaging.destination.name"] == topic]
        return found[0] if len(found) == 1 else None

    return collector.wait(look, f"a span of {topic}")


def trace_goes_on(collector, _before):
    span = of_topic(collector, "load/traced")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT), span
    assert len(span.span_id) == 8 and span.span_id.hex() != PARENT, span
    assert (span.name, span.kind) == ("publish", Span.SPAN_KIND_SERVER), span
    assert span.trace_state == "vendor=x,other=y" and span.flags & 0xFF == 1, span
    assert span.status.code == Status.STATUS_CODE_UNSET, span
    begun, ended = collector.published
    # Both clocks are one.
    assert begun <= span.start_time_unix_nano < span.end_time_unix_nano <= ended, (begun, span, ended)
    expected = {
        "messaging.system": "mqtt",
        "messaging.operation.name": "publish",
        "messaging.destination.name": "load/traced",
        "messaging.client.id": "writer",
        "messaging.message.body.size": 7,
        "network.protocol.name": "mqtt",
        "network.protocol.version": "5.0",
        "mqtt.qos": 1,
        "mqtt.retain": True,
        "mqtt.subscribers.matched": 1,
        "mqtt.subscribers.taken": 1,
    }
    assert attributes(span) == expected, attributes(span)


def refusal(collector, _before):
    span = of_topic(collector, "$SYS/mine")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT), span
    assert span.status.code == Status.STATUS_CODE_ERROR and span.status.message, span
    assert attributes(span)["error.type"] == "144", attributes(span)


def nobody_else(collector, _before):
    # What has no trace begins none with a ratio of 0, and what is not sampled has no span.
    topics = sorted(attributes(it)["messaging.destination.name"] for it in collector.spans)
    assert topics == ["$SYS/mine", "load/traced"], topics
    assert collector.wrong == [], collector.wrong
    assert number(collector.metrics[-1], "flux_otlp_spans_dropped") == 0
    assert number(collector.metrics[-1], "flux_otlp_exports_failed", signal="traces") == 0


def traffic(collector, address):
    reader, writer = Peer(address, "reader"), Peer(address, "writer")
    reader.subscribe("load/#")
    # A worker times the first message that it gets, and then one in a while: one that is acknowledged.
    for qos in sorted(MANY, reverse=True):
        for _ in range(MANY[qos]):
            writer.publish("load/plain", qos)
    traceparent = f"00-{TRACE}-{PARENT}"
    writer.publish("load/unseen", 1, [("traceparent", f"{traceparent}-00")])
    begun = time.time_ns()
    context = [("traceparent", f"{traceparent}-01"), ("tracestate", "vendor=x, other=y")]
    writer.publish("load/traced", 1, context, retain=True)
    collector.published = (begun, time.time_ns())
    writer.publish("$SYS/mine", 1, [("traceparent", f"{traceparent}-01")])
    reader.wait(lambda: reader.received == sum(MANY.values()) + 2, "all messages")
    return reader, writer


def write_config(folder, port):
    config = folder / "otlp.toml"
    config.touch(mode=0o600)
    config.write_text(f"""
[broker]
workers = 2
[[listener]]
name = "front"
bind = "127.0.0.1:0"
[sys]
interval = "0s"
[otlp]
endpoint = "http://127.0.0.1:{port}"
headers = "authorization=Bearer of a collector"
interval = "100ms"
sample_ratio = 0.0
service_name = "meters"
attributes = "deployment.environment.name=test"
""")
    return config


CHECKS = {
    "counters move by what was sent": counters,
    "counters of seconds grow": seconds,
    "gauges move by what there is": gauges,
    "histograms count what was timed": histograms,
    "a trace goes on in the broker": trace_goes_on,
    "a message that is refused has a span that says so": refusal,
    "nothing else has a span": nobody_else,
    "all says whose it is": resource,
}


def main(folder):
    collector = Collector()
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    print("config", write_config(folder, collector.server_port), flush=True)
    host, port = sys.stdin.readline().split()
    before = collector.wait(lambda: collector.metrics and collector.metrics[-1], "metrics")
    peers = traffic(collector, (host, int(port)))
    for name, check in CHECKS.items():
        try:
            check(collector, before)
            print(f"ok {name}", flush=True)
        except Exception as error:
            print(f"not ok {name} # {error!r}", flush=True)
    print("done", flush=True)
    for peer in peers:
        peer.client.disconnect()
        peer.client.loop_stop()


main(Path(sys.argv[1]))
