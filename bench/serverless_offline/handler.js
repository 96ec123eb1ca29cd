// The echo app of bench/echo_app, for serverless-offline.
'use strict'

const http = require('node:http')

const agent = new http.Agent({ keepAlive: true, noDelay: true })

exports.connect = async () => ({ statusCode: 200 })

exports.disconnect = async () => ({ statusCode: 200 })

exports.message = async (event) => {
  const { connectionId } = event.requestContext
  await post(connectionId, event.body === 'who' ? connectionId : event.body)
  return { statusCode: 200 }
}

function post(connectionId, data) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        agent,
        host: '127.0.0.1',
        port: process.env.WEBSOCKET_PORT,
        method: 'POST',
        path: `/@connections/${encodeURIComponent(connectionId)}`,
        headers: { 'Content-Length': Buffer.byteLength(data) },
      },
      (response) => {
        response.resume()
        response.on('end', resolve)
      },
    )
    request.on('error', reject)
    request.end(data)
  })
}
