#!/usr/bin/env node
import { connect } from 'node:net'
import { isatty } from 'node:tty'
import { CNI_COMMANDS, CNI_ERROR, CniError, type CniRequest } from '../api/cni-protocol.ts'
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
    const fail = (code: string, message: string, details?: string): void =>
      reject(Object.assign(new Error(message), { code, details }))
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
      else fail(error.code, error.message, error.details)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? 'EIO', error.message))
    socket.on('close', () => fail('ENOTCONN', 'The agent closed the connection before it answered'))
  })
}

interface Answer {
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string; readonly details?: string }
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
/** How long the runtime may take to say it, in milliseconds. */
const INPUT_MILLISECONDS_MAX = 60_000

/** A stream, since what a runtime hands in may be a socket that would rather be asked later (EAGAIN). */
function standardInput(): Promise<string> {
  if (isatty(0)) return Promise.resolve('') // A person who looks what it says.
  return new Promise((resolve, reject) => {
    const { stdin } = process
    let text = ''
    const fail = (message: string): void => reject(new CniError(CNI_ERROR.ioFailure, message))
    const seconds = INPUT_MILLISECONDS_MAX / 1000
    const timer = setTimeout(
      () => fail(`Standard input has no end: waited ${seconds} s for the network configuration`),
      INPUT_MILLISECONDS_MAX,
    )
    stdin.setEncoding('utf8')
    stdin.on('data', (some) => {
      text += String(some)
      if (text.length > INPUT_OCTETS_MAX) {
        fail(
          `The network configuration on standard input is longer than ${INPUT_OCTETS_MAX} octets`,
        )
      }
    })
    stdin.on('end', () => {
      clearTimeout(timer)
      resolve(text)
    })
    stdin.on('error', ({ message }) => fail(`Standard input cannot be read: ${message}`))
  })
}

async function main(): Promise<void> {
  if (process.env['CNI_COMMAND'] === undefined && isatty(0)) {
    process.stderr.write(
      `tortie-cni is a CNI plugin: a container runtime starts it with CNI_COMMAND set (${CNI_COMMANDS.join(', ')}).\n`,
    )
    process.exitCode = 1
    return
  }
  const { standardOutput, standardError, exitCode } = await runPlugin({
    environment: process.env,
    standardInput,
    callAgent,
  })
  process.stderr.on('error', () => {})
  process.stderr.write(standardError)
  process.stdout.on('error', () => process.exit(1)) // Nobody listens any more.
  // Standard input may still be open: nothing more is waited for once all is said.
  process.stdout.write(standardOutput, () => process.exit(exitCode))
}

void main()
