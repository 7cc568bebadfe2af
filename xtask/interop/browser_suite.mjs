// MQTT.js in headless Chromium: `node browser_suite.mjs CHROMIUM FOLDER SCREENSHOTS`.
//
// FOLDER holds ca.crt, the only authority that the browser is told to trust, and is for its profile too. The
// first line says the origin of the page, which the broker must allow; then the URLs of the broker come on
// standard input, in one line. The rest is one TAP-like line for each check, and a picture for each URL.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const OWN = ['connects', 'publishes', 'retains', 'carries 200 KiB']
const FOREIGN = ['is turned away']
const VERSIONS = { '3.1.1': 4, '5.0': 5 }

/** The browser, driven through the DevTools protocol over two pipes. */
class Browser {
  #process
  #next = 1
  #answers = new Map()
  #loaded = () => {}

  constructor(program, home) {
    mkdirSync(home, { recursive: true })
    const options = [
      '--headless',
      '--no-sandbox', // for root, as in CI; the only page is ours
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--window-size=900,600',
      '--no-proxy-server',
      '--disable-background-networking',
      '--disable-component-update',
      `--user-data-dir=${join(home, 'profile')}`,
      '--remote-debugging-pipe',
    ]
    const stdio = ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']
    this.#process = spawn(program, options, { stdio, env: { ...process.env, HOME: home } })
    let rest = ''
    this.#process.stdio[4].setEncoding('utf8').on('data', (text) => {
      const messages = (rest + text).split('\0')
      rest = messages.pop()
      for (const message of messages) this.#take(JSON.parse(message))
    })
    this.#process.on('exit', (code) => {
      for (const { reject } of this.#answers.values()) reject(new Error(`the browser ended: ${code}`))
    })
  }

  #take({ id, result, error, method }) {
    if (method === 'Page.loadEventFired') this.#loaded()
    const answer = this.#answers.get(id)
    this.#answers.delete(id)
    if (error) answer?.reject(new Error(error.message))
    else answer?.resolve(result)
  }

  call(method, params = {}, sessionId = undefined) {
    const id = this.#next++
    this.#process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0')
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }))
  }

  /** Opens a page and waits until it is loaded. */
  async open(url) {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true })
    await this.call('Page.enable', {}, sessionId)
    const loaded = new Promise((resolve) => (this.#loaded = resolve))
    await this.call('Page.navigate', { url }, sessionId)
    await loaded
    return sessionId
  }

  /** Runs a check of the page and returns what is wrong, or nothing. */
  async check(page, ...wanted) {
    const expression = `check(...${JSON.stringify(wanted)})`
    const evaluation = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', evaluation, page)
    return exceptionDetails ? (exceptionDetails.exception?.description ?? exceptionDetails.text) : result.value
  }

  async picture(page, file) {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png' }, page)
    writeFileSync(file, Buffer.from(data, 'base64'))
  }

  async close() {
    const end = once(this.#process, 'exit')
    this.#process.kill()
    await end
  }
}

/** Serves the page and MQTT.js as npm has it, and nothing else. */
async function serve() {
  const files = {
    '/': ['text/html', 'browser_page.html'],
    '/mqtt.js': ['text/javascript', 'node_modules/mqtt/dist/mqtt.min.js'],
  }
  const server = createServer((request, response) => {
    const [type, file] = files[request.url] ?? []
    response.writeHead(file ? 200 : 404, { 'content-type': type ?? 'text/plain' })
    response.end(file && readFileSync(new URL(file, import.meta.url)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** Tells the browser whom to trust, in the store that it reads on Linux. */
function trust(folder, home) {
  const store = join(home, '.pki/nssdb')
  mkdirSync(store, { recursive: true })
  execFileSync('certutil', ['-N', '-d', `sql:${store}`, '--empty-password'])
  const authority = ['-n', 'flux', '-t', 'C,,', '-i', join(folder, 'ca.crt')]
  execFileSync('certutil', ['-A', '-d', `sql:${store}`, ...authority])
}

const [program, folder, screenshots] = process.argv.slice(2)
const server = await serve()
const { port } = server.address()
console.log(`origin http://127.0.0.1:${port}`)
const [line] = await once(createInterface({ input: process.stdin }), 'line')
const home = join(folder, 'browser')
trust(folder, home)
mkdirSync(screenshots, { recursive: true })
const browser = new Browser(program, home)
let failed = 0

async function run(page, url, checks, from) {
  for (const [label, version] of Object.entries(VERSIONS)) {
    for (const name of checks) {
      const wrong = await browser.check(page, url, name, version)
      failed += wrong ? 1 : 0
      const check = `${label} ${new URL(url).protocol} a page ${from} ${name}`
      console.log(wrong ? `not ok ${check} # ${wrong.replaceAll('\n', ' ')}` : `ok ${check}`)
    }
  }
}

for (const url of line.split(' ')) {
  const own = await browser.open(`http://127.0.0.1:${port}/`)
  await run(own, url, OWN, 'of an allowed origin')
  await browser.picture(own, join(screenshots, `browser-${new URL(url).protocol.slice(0, -1)}.png`))
  // The same server under another name is another origin.
  const foreign = await browser.open(`http://localhost:${port}/`)
  await run(foreign, url, FOREIGN, 'of another origin')
}
await browser.close()
console.log('done')
process.exit(failed ? 1 : 0)
