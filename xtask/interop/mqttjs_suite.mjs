// MQTT.js against a broker: `node mqttjs_suite.mjs URL [FOLDER]`, one TAP-like line for each check.
//
// The scheme of the URL says how to connect; over TLS the folder holds ca.crt, client.crt and client.key.
// Every wait is for an event and has a deadline. `SETTLE` is the only pause, used where the
// point is that nothing arrives.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import mqtt from 'mqtt'

const DEADLINE = 10_000
const SETTLE = 300
// MQTT.js does not hold back for Receive Maximum: stay within what brokers grant by default.
const IN_FLIGHT = 16
const VERSIONS = { '3.1': 3, '3.1.1': 4, '5.0': 5 }

/** One client and what it saw. */
class Peer {
  messages = []
  /** Packets as they went over the wire. */
  sent = []
  received = []
  sessionPresent = undefined
  closed = false
  #client
  #waiting = new Set()

  /** Connects and waits for the CONNACK. */
  static async connect(broker, wishes = {}) {
    const { id = fresh('client'), clean = true, expiry = 0, will, properties, ...options } = wishes
    const peer = new Peer()
    let failure
    peer.#client = mqtt.connect(broker.url, {
      ...broker.tls,
      protocolVersion: broker.version,
      protocolId: broker.version === 3 ? 'MQIsdp' : 'MQTT',
      clientId: id,
      clean,
      will,
      reconnectPeriod: 0,
      keepalive: 30,
      properties:
        broker.version === 5 ? { sessionExpiryInterval: expiry, ...properties } : undefined,
      ...options,
    })
    peer.#client.on('packetsend', (packet) => peer.sent.push({ ...packet }))
    peer.#client.on('packetreceive', (packet) => peer.received.push({ ...packet }))
    peer.#client.on('connect', (connack) => {
      peer.sessionPresent = connack.sessionPresent
      peer.granted = connack.properties ?? {}
      peer.#changed()
    })
    peer.#client.on('message', (topic, payload, packet) => {
      peer.messages.push({ topic, payload, packet })
      peer.#changed()
    })
    peer.#client.on('error', (error) => {
      failure = error
      peer.#changed()
    })
    peer.#client.on('close', () => {
      peer.closed = true
      peer.#changed()
    })
    await peer.wait('CONNACK', () => peer.sessionPresent !== undefined || failure || peer.closed)
    if (peer.sessionPresent === undefined) throw failure ?? new Error('closed before the CONNACK')
    return peer
  }

  /** Waits until `condition` holds; it is looked at again after every event. */
  wait(what, condition) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle(value)
      }
      const look = () => condition() && end(resolve)
      const timer = setTimeout(() => {
        const seen = JSON.stringify(this.messages.slice(0, 30).map(show))
        end(reject, new Error(`no ${what} within ${DEADLINE / 1000} s; seen: ${seen}`))
      }, DEADLINE)
      this.#waiting.add(look)
      look()
    })
  }

  /** Subscribes and returns the granted QoS. */
  async subscribe(topicFilter, options = { qos: 0 }) {
    const subscribing = this.#client.subscribeAsync(topicFilter, options)
    const granted = await within(`SUBACK for ${topicFilter}`, subscribing)
    return granted.map(({ qos }) => qos)
  }

  unsubscribe(topicFilter) {
    return within(`UNSUBACK for ${topicFilter}`, this.#client.unsubscribeAsync(topicFilter))
  }

  /** Publishes and waits until the message is sent (QoS 0) or acknowledged. */
  publish(topic, payload, options = {}) {
    return within(`acknowledgement for ${topic}`, this.#client.publishAsync(topic, payload, options))
  }

  /** Waits for as many messages as wanted, and compares [topic, payload, qos, retain]. */
  async expect(wanted) {
    await this.wait(`${wanted.length} messages`, () => this.messages.length >= wanted.length)
    assert.deepEqual(this.messages.map(show), wanted)
  }

  /** Like `expect`, but the order counts within each topic only. */
  async expectByTopic(wanted) {
    await this.wait(`${wanted.length} messages`, () => this.messages.length >= wanted.length)
    const byTopic = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)
    assert.deepEqual(this.messages.map(show).sort(byTopic), [...wanted].sort(byTopic))
  }

  /** Says goodbye with DISCONNECT and waits for the end of the connection. */
  async disconnect() {
    if (this.closed) return
    await within('end of connection', this.#client.endAsync())
  }

  /** Cuts the connection without a DISCONNECT. */
  async kill() {
    this.#client.stream.destroy()
    await this.wait('end of connection', () => this.closed)
  }

  #changed() {
    for (const look of [...this.#waiting]) look()
  }
}

/** Runs `scenario` with a function that connects peers, and disconnects them in the end. */
async function withPeers(broker, scenario) {
  const peers = []
  const connect = async (options) => {
    const peer = await Peer.connect(broker, options)
    peers.push(peer)
    return peer
  }
  /** Connects to a session that must be there; CONNACK of MQTT 3.1 cannot say so. */
  connect.resume = async (options) => {
    const peer = await connect({ clean: false, expiry: 300, ...options })
    assert.equal(peer.sessionPresent, broker.version !== 3, 'session not present')
    return peer
  }
  try {
    await scenario(connect)
  } finally {
    await Promise.all(peers.map((peer) => peer.disconnect()))
  }
}

async function within(what, promise) {
  let timer
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${DEADLINE / 1000} s`)), DEADLINE)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** A topic prefix or client identifier that no other check uses. */
const fresh = (name) => `${name}-${randomUUID().slice(0, 13)}`

const show = ({ topic, payload, packet }) => [topic, payload.toString(), packet.qos, packet.retain]

const qosBothWays = (published, subscribed) => async (connect) => {
  const topic = fresh('qos')
  const qos = Math.min(published, subscribed)
  const [receiver, sender] = [await connect(), await connect()]
  assert.deepEqual(await receiver.subscribe(topic, { qos: subscribed }), [subscribed], 'granted QoS')
  // What comes twice stands before the last message or fails the comparison.
  const payloads = [...Array(20).keys()].map(String).concat('last')
  for (const payload of payloads) await sender.publish(topic, payload, { qos: published })
  await receiver.expect(payloads.map((payload) => [topic, payload, qos, false]))
}

async function manyInFlight(connect) {
  const topic = fresh('flight')
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 2 })
  const payloads = [...Array(IN_FLIGHT).keys()].map(String)
  await Promise.all(payloads.map((payload) => sender.publish(topic, payload, { qos: 2 })))
  await receiver.expect(payloads.map((payload) => [topic, payload, 2, false]))
}

async function largePayload(connect) {
  const topic = fresh('payload')
  const large = Buffer.alloc(65_536, 'flux')
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 1 })
  await sender.publish(topic, '', { qos: 1 })
  await sender.publish(topic, large, { qos: 1 })
  await receiver.wait('two messages', () => receiver.messages.length >= 2)
  assert.deepEqual(receiver.messages.map(({ payload }) => payload.length), [0, large.length])
  assert.ok(receiver.messages[1].payload.equals(large), 'the payload differs')
}

async function retainedSetReplaceDelete(connect) {
  const topic = fresh('retained')
  const sender = await connect()
  for (const payload of ['first', 'second', '']) {
    await sender.publish(topic, payload, { qos: 1, retain: true })
    const receiver = await connect()
    await receiver.subscribe(topic, { qos: 1 })
    await sender.publish(topic, 'live', { qos: 1 })
    const kept = payload ? [[topic, payload, 1, true]] : []
    await receiver.expect([...kept, [topic, 'live', 1, false]])
    await receiver.disconnect()
  }
}

async function retainedIsLiveWithoutFlag(connect) {
  const topic = fresh('retained-live')
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 1 })
  await sender.publish(topic, 'now', { qos: 1, retain: true })
  await receiver.expect([[topic, 'now', 1, false]])
  await sender.publish(topic, '', { qos: 1, retain: true })
}

async function willOnAbruptClose(connect) {
  const topic = fresh('will')
  const receiver = await connect()
  await receiver.subscribe(topic, { qos: 1 })
  const dying = await connect({ will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } })
  await dying.kill()
  await receiver.expect([[topic, 'gone', 1, false]])
}

async function noWillOnCleanDisconnect(connect) {
  const topic = fresh('no-will')
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 1 })
  const leaving = await connect({ will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } })
  await leaving.disconnect()
  await pause(SETTLE)
  await sender.publish(topic, 'marker', { qos: 1 })
  await receiver.expect([[topic, 'marker', 1, false]])
}

async function wildcards(connect) {
  const base = fresh('wild')
  const published = [base, `${base}/a`, `${base}/a/b`, `${base}/`, `/${base}`, `${base}x/a`]
  const cases = {
    [`${base}/+`]: [`${base}/a`, `${base}/`],
    [`${base}/#`]: [base, `${base}/a`, `${base}/a/b`, `${base}/`],
    [`${base}/+/b`]: [`${base}/a/b`],
    [`+/${base}`]: [`/${base}`],
    [`${base}/a`]: [`${base}/a`],
  }
  const sender = await connect()
  for (const [topicFilter, matching] of Object.entries(cases)) {
    const receiver = await connect()
    await receiver.subscribe(topicFilter, { qos: 1 })
    await receiver.subscribe(`end-${base}`, { qos: 1 })
    for (const topic of [...published, `end-${base}`]) await sender.publish(topic, 'm', { qos: 1 })
    const wanted = published.filter((topic) => matching.includes(topic)).concat(`end-${base}`)
    await receiver.expect(wanted.map((topic) => [topic, 'm', 1, false]))
    await receiver.disconnect()
  }
}

/** [MQTT-4.7.2-1]; the publisher may be refused, a subscriber to `#` must see nothing. */
async function dollarTopicsHidden(connect) {
  const marker = fresh('marker')
  const [all, oneLevel, sender, bold] = [await connect(), await connect(), await connect(), await connect()]
  await all.subscribe('#')
  await oneLevel.subscribe('+/dollar')
  await oneLevel.subscribe(marker)
  await bold.publish('$interop/dollar', 'hidden').catch(() => {})
  await pause(SETTLE)
  await sender.publish(marker, 'end', { qos: 1 })
  for (const receiver of [all, oneLevel]) {
    await receiver.wait('the marker', () => receiver.messages.some(({ topic }) => topic === marker))
    const hidden = receiver.messages.map(({ topic }) => topic).filter((topic) => topic.startsWith('$'))
    assert.deepEqual(hidden, [], '$-topics seen')
  }
}

async function unsubscribe(connect) {
  const topic = fresh('unsubscribe')
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 1 })
  await receiver.subscribe(`${topic}/end`, { qos: 1 })
  await receiver.unsubscribe(topic)
  await sender.publish(topic, 'unwanted', { qos: 1 })
  await sender.publish(`${topic}/end`, 'end', { qos: 1 })
  await receiver.expect([[`${topic}/end`, 'end', 1, false]])
}

async function sessionKeepsMessages(connect) {
  const [id, base] = [fresh('session'), fresh('away')]
  const kept = { id, clean: false, expiry: 300 }
  const first = await connect(kept)
  assert.equal(first.sessionPresent, false, 'session present on the first connection')
  await first.subscribe(`${base}/#`, { qos: 2 })
  await first.disconnect()

  const sender = await connect()
  const wanted = []
  const publish = async (payload) => {
    for (const qos of [1, 2]) {
      await sender.publish(`${base}/${qos}`, payload, { qos })
      wanted.push([`${base}/${qos}`, payload, qos, false])
    }
  }
  for (let number = 0; number < 10; number += 1) await publish(String(number))
  const second = await connect.resume(kept)
  await publish('live')
  await second.expectByTopic(wanted)
  await second.disconnect()

  const third = await connect.resume(kept)
  await third.publish(`${base}/1`, 'again', { qos: 1 })
  await third.expect([[`${base}/1`, 'again', 1, false]])
  await third.disconnect()
  await connect({ id })
}

async function sessionAfterAbruptClose(connect) {
  const [id, topic] = [fresh('session'), fresh('cut')]
  const first = await connect({ id, clean: false, expiry: 300 })
  await first.subscribe(topic, { qos: 1 })
  await first.kill()
  const sender = await connect()
  await sender.publish(topic, 'while away', { qos: 1 })
  const second = await connect.resume({ id })
  await second.expect([[topic, 'while away', 1, false]])
  await second.disconnect()
  await connect({ id })
}

async function cleanStartDiscards(connect) {
  const [id, topic] = [fresh('session'), fresh('discard')]
  const first = await connect({ id, clean: false, expiry: 300 })
  await first.subscribe(topic, { qos: 1 })
  await first.disconnect()
  const sender = await connect()
  await sender.publish(topic, 'lost', { qos: 1 })
  const second = await connect({ id, clean: true })
  assert.equal(second.sessionPresent, false, 'session present after a clean start')
  await second.subscribe(`${topic}/end`, { qos: 1 })
  await sender.publish(topic, 'unsubscribed', { qos: 1 })
  await sender.publish(`${topic}/end`, 'end', { qos: 1 })
  await second.expect([[`${topic}/end`, 'end', 1, false]])
}

async function takeover(connect) {
  const id = fresh('taken')
  const first = await connect({ id })
  await connect({ id })
  await first.wait('end of the first connection', () => first.closed)
}

async function sharedSubscription(connect) {
  const topic = fresh('shared')
  const members = [await connect(), await connect(), await connect()]
  const sender = await connect()
  for (const member of members) {
    await member.subscribe(`$share/group/${topic}`, { qos: 1 })
    await member.subscribe(`${topic}/end`, { qos: 1 })
  }
  const wanted = Array.from({ length: 30 }, (_, number) => String(number))
  for (const payload of wanted) await sender.publish(topic, payload, { qos: 1 })
  await sender.publish(`${topic}/end`, 'end', { qos: 1 })
  const payloads = ({ messages }) => messages.map(({ payload }) => payload.toString())
  for (const member of members) {
    await member.wait('the end', () => payloads(member).includes('end'))
    assert.equal(payloads(member).length, 11, `not a third: ${payloads(member)}`)
  }
  const seen = members.flatMap(payloads).filter((payload) => payload !== 'end')
  assert.deepEqual(seen.sort((a, b) => a - b), wanted, 'each once')
  const [first, second, third] = members
  await first.kill()
  await second.unsubscribe(`$share/group/${topic}`)
  await sender.publish(topic, 'alone', { qos: 1 })
  await third.wait('the rest', () => payloads(third).includes('alone'))
}

async function propertiesTravel(connect) {
  const topic = fresh('properties')
  const sent = {
    contentType: 'text/plain',
    responseTopic: 'answers',
    correlationData: Buffer.from([0, 1]),
    payloadFormatIndicator: true,
    userProperties: { a: ['1', '2'], b: '3' },
  }
  const [receiver, sender] = [await connect(), await connect()]
  await receiver.subscribe(topic, { qos: 1, properties: { subscriptionIdentifier: 7 } })
  await sender.publish(topic, 'm', { qos: 1, properties: sent })
  await receiver.wait('a message', () => receiver.messages.length >= 1)
  const seen = { ...receiver.messages[0].packet.properties }
  seen.userProperties = { ...seen.userProperties }
  assert.deepEqual(seen, { ...sent, subscriptionIdentifier: 7 })
}

async function subscriptionOptions(connect) {
  const topic = fresh('options')
  const [receiver, sender] = [await connect(), await connect()]
  await sender.publish(topic, 'kept', { qos: 1, retain: true })
  await receiver.subscribe(topic, { qos: 1, nl: true, rap: true, rh: 2 })
  await receiver.publish(topic, 'own', { qos: 1 })
  await sender.publish(topic, 'new', { qos: 1, retain: true })
  await sender.publish(topic, 'end', { qos: 1 })
  await receiver.expect([[topic, 'new', 1, true], [topic, 'end', 1, false]])
  await sender.publish(topic, '', { qos: 1, retain: true })
}

/** PUBLISH packets without a topic name, and the names that aliases were given. */
function aliasesIn(packets) {
  const publishes = packets.filter(({ cmd, properties }) => cmd === 'publish' && properties?.topicAlias)
  return [...new Set(publishes.map(({ properties }) => properties.topicAlias))].sort()
}

async function topicAliasesOfTheClient(connect) {
  const [one, two] = [fresh('alias'), fresh('alias')]
  const receiver = await connect()
  const sender = await connect({ autoAssignTopicAlias: true, autoUseTopicAlias: true })
  assert.ok(sender.granted.topicAliasMaximum >= 2, 'the broker takes no aliases')
  await receiver.subscribe([one, two], { qos: 1 })
  const topics = [one, two, one, two, two, one]
  for (const topic of topics) await sender.publish(topic, 'm', { qos: 1 })
  await receiver.expect(topics.map((topic) => [topic, 'm', 1, false]))
  assert.equal(aliasesIn(sender.sent).length, 2, 'MQTT.js used no alias')
}

async function topicAliasesOfTheBroker(connect) {
  const base = fresh('alias')
  const topics = [...Array(12).keys()].map((number) => `${base}/${number % 3}`)
  const [receiver, sender] = [await connect({ properties: { topicAliasMaximum: 2 } }), await connect()]
  await receiver.subscribe(`${base}/+`, { qos: 1 })
  for (const topic of topics) await sender.publish(topic, 'm', { qos: 1 })
  await receiver.expect(topics.map((topic) => [topic, 'm', 1, false]))
  assert.deepEqual(aliasesIn(receiver.received), [1, 2])
}

async function requestAndResponse(connect) {
  const [requests, answers] = [fresh('requests'), fresh('answers')]
  const [server, client] = [await connect(), await connect()]
  await server.subscribe(requests, { qos: 1 })
  await client.subscribe(answers, { qos: 1 })
  const data = [Buffer.from([0, 0xff]), Buffer.from('second')]
  for (const correlationData of data) {
    await client.publish(requests, '?', { qos: 1, properties: { responseTopic: answers, correlationData } })
  }
  await server.wait('two requests', () => server.messages.length >= 2)
  for (const { packet } of server.messages.toReversed()) {
    const { responseTopic, correlationData } = packet.properties
    await server.publish(responseTopic, '!', { qos: 1, properties: { correlationData } })
  }
  await client.wait('two answers', () => client.messages.length >= 2)
  assert.deepEqual(client.messages.map(({ packet }) => packet.properties.correlationData), data.toReversed())
}

async function assignedClientIdentifiers(connect) {
  const first = await connect({ id: '', expiry: 300 })
  const second = await connect({ id: '' })
  const [id, other] = [first, second].map(({ granted }) => granted.assignedClientIdentifier)
  assert.ok(id && other && id !== other, `assigned ${id} and ${other}`)
  await first.disconnect()
  await (await connect.resume({ id })).disconnect()
  await connect({ id })
}

async function reasonCodes(connect) {
  const peer = await connect()
  for (const qos of [1, 2]) {
    await assert.rejects(peer.publish('$SYS/interop', 'm', { qos }), (error) => error.code === 0x90)
  }
  const refusals = peer.received.filter(({ reasonCode }) => reasonCode === 0x90)
  assert.equal(refusals.length, 2)
  for (const { properties } of refusals) assert.ok(properties?.reasonString, 'no reason string')
}

/** The checks of one protocol version, by name. */
function* checks(version) {
  for (const published of [0, 1, 2]) {
    for (const subscribed of [0, 1, 2]) {
      yield [`QoS ${published} published, QoS ${subscribed} subscribed`, qosBothWays(published, subscribed)]
    }
  }
  yield [`${IN_FLIGHT} QoS 2 messages in flight, once and in order`, manyInFlight]
  yield ['empty and 64 KiB payloads arrive whole', largePayload]
  yield ['retained message: set, replace, delete', retainedSetReplaceDelete]
  yield ['retained message is live to those subscribed', retainedIsLiveWithoutFlag]
  yield ['will message after an abrupt close', willOnAbruptClose]
  yield ['no will message after DISCONNECT', noWillOnCleanDisconnect]
  yield ['wildcards + and #', wildcards]
  yield ['$-topics are hidden from wildcards', dollarTopicsHidden]
  yield ['unsubscribe', unsubscribe]
  yield ['session keeps QoS 1 and 2 messages, once and in order', sessionKeepsMessages]
  yield ['session survives an abrupt close', sessionAfterAbruptClose]
  yield ['clean start discards the session', cleanStartDiscards]
  yield ['a second connection takes over', takeover]
  yield ['shared subscription: members take turns', sharedSubscription]
  if (version === 5) {
    yield ['properties travel', propertiesTravel]
    yield ['no local, retain as published, retain handling', subscriptionOptions]
    yield ['topic aliases of the client', topicAliasesOfTheClient]
    yield ['topic aliases of the broker', topicAliasesOfTheBroker]
    yield ['request and response with correlation data', requestAndResponse]
    yield ['assigned client identifiers', assignedClientIdentifiers]
    yield ['reason codes and strings', reasonCodes]
  }
}

/** What TLS needs: whom to trust, and who we are. */
function credentials(folder) {
  const files = { ca: 'ca.crt', cert: 'client.crt', key: 'client.key' }
  return Object.fromEntries(Object.entries(files).map(([name, file]) => [name, readFileSync(join(folder, file))]))
}

const [url, folder] = process.argv.slice(2)
const tls = folder ? credentials(folder) : {}
let failed = 0
for (const [label, version] of Object.entries(VERSIONS)) {
  for (const [name, check] of checks(version)) {
    try {
      await withPeers({ url, tls, version }, check)
      console.log(`ok ${label} ${name}`)
    } catch (error) {
      failed += 1
      console.log(`not ok ${label} ${name} # ${String(error.message ?? error).replaceAll('\n', ' ')}`)
    }
  }
}
console.log('done')
process.exit(failed ? 1 : 0)
