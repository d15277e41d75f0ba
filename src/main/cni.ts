import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { CNI_COMMANDS, type CniRequest } from '../cni/protocol.ts'
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
      socket.write(`${JSON.stringify({ id: 1, method: 'cni', params: request })}\n`)
    })
    socket.on('data', (text) => {
      answer += String(text)
      if (!answer.endsWith('\n')) return
      socket.destroy()
      const { result, error } = JSON.parse(answer) as {
        result?: unknown
        error?: { code: string; message: string }
      }
      if (error === undefined) resolve(result)
      else fail(error.code, error.message)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'EIO', error.message))
    socket.on('close', () => fail('ENOTCONN', 'The agent closed the connection before it answered'))
  })
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
    standardInput: readFileSync(0, 'utf8'),
    callAgent,
  })
  process.stdout.write(output.standardOutput)
  process.exitCode = output.exitCode
}

void main()
