import { type DebugSwitches, debugSwitches, type DebugTopic } from './debug-topics.ts'

/** Values that go beside a message; never secrets. */
export type LogFields = Readonly<Record<string, unknown>>

/** Logging as everything in the core sees it: structured, without format strings. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /**
   * The topics that are told of now, shared with all children. Nothing is made for a topic that is off:
   * `if (log.topics.netlink) log.tell('netlink', …)`. Who tells asks no port (clock, store, kernel) for it,
   * so that a process does the same whatever is told.
   */
  readonly topics: DebugSwitches
  /** One line of a topic, at whatever level the log is. Long values may be cut. */
  tell(topic: DebugTopic, message: string, fields: LogFields): void
  /** A log that adds `fields` to every line. */
  child(fields: LogFields): Log
}

/** Keeps nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  topics: debugSwitches(),
  tell() {},
  child: () => silentLog,
}
