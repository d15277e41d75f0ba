import { writeFileSync } from 'node:fs'
import pino from 'pino'
import { boundedFields } from '../../lib/bounded-fields.ts'
import { type DebugSwitches, debugSwitches } from '../../lib/debug-topics.ts'
import type { Log, LogFields } from '../../lib/log.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** One JSON object a line on a file descriptor (standard error by default), written at once. */
export function createLog(options: { level: LogLevel; name: string; fd?: number }): Log {
  const logger = pino(
    {
      level: options.level,
      name: options.name,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    droppingDestination(options.fd ?? 2),
  )
  return wrap(logger, debugSwitches())
}

/** A line that cannot be written (EPIPE, ENOSPC, a terminal that is gone) is dropped: work goes on. */
function droppingDestination(fd: number): pino.DestinationStream {
  let isCutOff = false
  return {
    write(line) {
      try {
        writeFileSync(fd, isCutOff ? `\n${line}` : line)
        isCutOff = false
      } catch {
        isCutOff = true // perhaps half a line is there
      }
    },
  }
}

function wrap(logger: pino.Logger, topics: DebugSwitches): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void =>
      logger[level](fields ?? {}, message)
  let ofTopics: pino.Logger | undefined
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    topics,
    tell(topic, message, fields) {
      ofTopics ??= logger.child({}, { level: 'debug' })
      ofTopics.debug({ topic, ...boundedFields(fields) }, message)
    },
    child: (fields) => wrap(logger.child(fields), topics),
  }
}
