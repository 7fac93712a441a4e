'use strict'
// Sends the events of an NDJSON file with one of two clients from npm:
//
//   node send.js lumberjack-client   PORT FILE          v2, compressed, never reads an ack
//   node send.js lumberjack-protocol PORT FILE          v1 over a plain socket
//   node send.js lumberjack-protocol PORT FILE CA.pem   v1 over TLS, as its author meant it
//
// Prints {"sent": N} when all is written and, where the client reads acks, {"acked": N}
// when the last one came. Stays connected until its standard input ends, because closing
// a connection is how a peer says that it no longer cares.
const fs = require('fs')
const net = require('net')
const tls = require('tls')

const [client, port, file, ca] = process.argv.slice(2)
const events = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
const tell = (facts) => process.stdout.write(JSON.stringify(facts) + '\n')

process.stdin.resume()
process.stdin.on('end', () => process.exit(0))

function sendWithLumberjackClient() {
  const LumberjackClient = require('lumberjack-client')
  const sender = new LumberjackClient({host: '127.0.0.1', port: Number(port)})
  // What is logged before the connection stands goes out as one window, later events
  // one window each; half and half shows both.
  const half = Math.floor(events.length / 2)
  events.slice(0, half).forEach((event) => sender.log(event))
  sender.socket.once('connect', () => {
    events.slice(half).forEach((event) => sender.log(event))
    sender.socket.write('', () => tell({sent: events.length}))
  })
}

function sendWithLumberjackProtocol() {
  if (ca === undefined) {
    tls.connect = (options) => {
      const socket = net.connect(options)
      socket.once('connect', () => socket.emit('secureConnect'))
      return socket
    }
  }
  const ClientSocket = require('lumberjack-protocol/lib/ClientSocket')
  const sender = new ClientSocket()
  sender.on('error', (error) => {
    process.stderr.write(`${error.stack || error}\n`)
    process.exit(1)
  })
  sender.on('ack', (seq) => {
    if (seq === events.length) tell({acked: seq})
  })
  sender.on('connect', () => {
    let left = events.length
    events.forEach((event) => sender.writeDataFrame(event, (error) => {
      if (error) throw error
      if (--left === 0) tell({sent: events.length})
    }))
  })
  const authority = ca === undefined ? {} : {ca: fs.readFileSync(ca), servername: 'localhost'}
  sender.connect({host: '127.0.0.1', port: Number(port), ...authority})
}

({
  'lumberjack-client': sendWithLumberjackClient,
  'lumberjack-protocol': sendWithLumberjackProtocol,
})[client]()
