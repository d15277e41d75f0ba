import { connect } from 'node:net'
import { CNI_COMMANDS, CNI_ERROR, CNI_VERSIONS, type CniRequest } from '../api/cni-protocol.ts'
import { PROTOCOL } from '../api/protocol.ts'
import { type ProtocolVersions, versionGap } from '../lib/protocol-versions.ts'
import { runPlugin } from '../cni/plugin.ts'

/**
 * The CNI executable: as little code as can be, since it is started for every pod.
 *
 *     runtime --environment, stdin--> runPlugin --one line--> agent's socket --> runPlugin --stdout--> runtime
 */

/** How long the agent may take, in milliseconds. */
const ANSWER_MILLISECONDS_MAX = 30_000

function callAgent(socketPath: string, request: CniRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (code: string, message: string): void =>
      reject(Object.assign(new Error(message), { code }))
    const socket = connect(socketPath)
    let answer = ''
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_MILLISECONDS_MAX, () => {
      socket.destroy()
      fail('ETIMEDOUT', `No answer in ${ANSWER_MILLISECONDS_MAX / 1000} s`)
    })
    socket.on('connect', () => {
      socket.write(
        `${JSON.stringify({ id: 1, method: 'cni', params: request, protocol: PROTOCOL })}\n`,
      )
    })
    socket.on('data', (text) => {
      answer += String(text)
      if (!answer.endsWith('\n')) return
      socket.destroy()
      const { result, error, protocol } = parseAnswer(answer)
      const gap = protocol && versionGap(PROTOCOL, protocol, 'the node agent')
      if (gap !== undefined) fail('EPROTO', gap)
      else if (error === undefined) resolve(result)
      else fail(error.code, error.message)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'EIO', error.message))
    socket.on('close', () => fail('ENOTCONN', 'The agent closed the connection before it answered'))
  })
}

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
  readonly protocol?: ProtocolVersions
}

function parseAnswer(line: string): Answer {
  try {
    return JSON.parse(line) as Answer
  } catch {
    return { error: { code: 'EBADMSG', message: 'The agent answered with what is no JSON' } }
  }
}

/** More than any runtime has to say. */
const INPUT_OCTETS_MAX = 1 << 20

/** A stream, since what a runtime hands in may be a socket that would rather be asked later (EAGAIN). */
async function standardInput(): Promise<string> {
  let text = ''
  for await (const some of process.stdin.setEncoding('utf8')) {
    text += String(some)
    if (text.length > INPUT_OCTETS_MAX) break // No JSON any more, and said to be none.
  }
  return text
}

async function main(): Promise<void> {
  if (process.stdin.isTTY && process.env['CNI_COMMAND'] === undefined) {
    process.stderr.write(
      `tortie-cni is a CNI plugin: a container runtime starts it with CNI_COMMAND set (${CNI_COMMANDS.join(', ')}).\n`,
    )
    process.exitCode = 1
    return
  }
  const output = await runPlugin({
    environment: process.env,
    standardInput: await standardInput(),
    callAgent,
  })
  process.stdout.write(output.standardOutput)
  process.exitCode = output.exitCode
}

main().catch((error: Error) => {
  const refusal = { cniVersion: CNI_VERSIONS.at(-1), code: CNI_ERROR.ioFailure, msg: error.message }
  process.stdout.write(`${JSON.stringify(refusal)}\n`)
  process.exitCode = 1
})
