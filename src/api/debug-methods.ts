import { type DebugTopic, debugTopics, switchTopics } from '../lib/debug-topics.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { RpcError } from '../lib/rpc.ts'
import type { DebugApi, Handlers } from './methods.ts'

/** What a process answers that tells of `known` topics in `log`. */
export function debugMethods(log: Log, known: readonly DebugTopic[]): Handlers<DebugApi> {
  const on = (): readonly DebugTopic[] => known.filter((topic) => log.topics[topic])
  return {
    debug: async ({ topics }) => {
      if (topics !== undefined) {
        switchTopics(log.topics, parse(topics, known))
        log.info('Debug topics', { topics: on() })
      }
      return { topics: on(), known }
    },
  }
}

function parse(topics: readonly string[], known: readonly DebugTopic[]): readonly DebugTopic[] {
  try {
    return debugTopics(topics, known)
  } catch (thrown) {
    throw new RpcError('EINVAL', messageOf(thrown))
  }
}
