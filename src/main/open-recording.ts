import { closeSync, openSync, writeFileSync } from 'node:fs'
import { messageOf, UserError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { RecorderNeeds } from '../recording/recorder.ts'

/** Octets after which a recording ends and the agent goes on without. */
const MOST_OCTETS = 256 * 1024 * 1024

/** Lines that are gathered before they are written. */
const BUFFER_CHARACTERS = 64 * 1024

export interface OpenRecording extends RecorderNeeds {
  close(): void
}

/** A new file that only its owner may read: pods, addresses and routes of a cluster are in it. */
export function openRecording(path: string, log: Log): OpenRecording {
  let file: number | undefined
  try {
    file = openSync(path, 'wx', 0o600)
  } catch (thrown) {
    const known = (thrown as { code?: unknown }).code === 'EEXIST'
    const why = known ? 'it exists already; expected a new file' : messageOf(thrown)
    throw new UserError(`Unable to record into ${path}: ${why}`)
  }
  let waiting: string[] = []
  let characters = 0
  let octets = 0
  const flush = (): void => {
    if (file === undefined || waiting.length === 0) return
    const text = waiting.join('')
    waiting = []
    characters = 0
    try {
      writeFileSync(file, text)
      octets += Buffer.byteLength(text)
    } catch (thrown) {
      const failed = file
      file = undefined
      closeSync(failed)
      log.warn('Failed to write the recording; the agent continues without it', {
        path,
        error: messageOf(thrown),
      })
    }
  }
  const end = (): void => {
    flush()
    if (file !== undefined) closeSync(file)
    file = undefined
  }
  return {
    write(line) {
      if (file === undefined) return
      waiting.push(`${line}\n`)
      characters += line.length
      if (characters >= BUFFER_CHARACTERS) flush()
      if (octets < MOST_OCTETS) return
      log.warn('The recording is full; the agent continues without it', { path, octets })
      end()
    },
    later(task) {
      // What is written waits no longer than for the next event, so that a kill loses one turn.
      setImmediate(() => {
        flush()
        task()
      })
    },
    close: end,
  }
}
