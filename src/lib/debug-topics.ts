import { closest } from './closest.ts'
import { UserError } from './errors.ts'

/** What a running process can be asked to tell of itself, and what it tells then: one row a topic. */
export const DEBUG_TOPICS = {
  'bgp.message': 'each BGP message sent and received: neighbor, type, octets',
  'bgp.fsm': 'each event of a BGP session: state before and after, what was done',
  routes: 'each route written, removed, refused or kept for now, and why the kernel is looked at',
  netlink: 'each request to the kernel, and what it refused',
  store: 'each change that the datastore told: key and revision',
  cni: 'each CNI command: container, interface, and the result or the error',
} as const

export type DebugTopic = keyof typeof DEBUG_TOPICS
/** Which topics are on. Whoever has something to tell holds this object and reads one property of it. */
export type DebugSwitches = Record<DebugTopic, boolean>

/** Topics of a node's agent. */
export const AGENT_TOPICS = Object.keys(DEBUG_TOPICS) as readonly DebugTopic[]
/** Topics of a bgpd. */
export const BGPD_TOPICS: readonly DebugTopic[] = ['bgp.message', 'bgp.fsm', 'routes', 'netlink']

/** All off. */
export function debugSwitches(): DebugSwitches {
  return Object.fromEntries(AGENT_TOPICS.map((topic) => [topic, false])) as DebugSwitches
}

/** Switches these on and all others off. */
export function switchTopics(switches: DebugSwitches, on: readonly DebugTopic[]): void {
  for (const topic of AGENT_TOPICS) switches[topic] = on.includes(topic)
}

/** The topics that words name. Errors: UserError with the nearest topic and all that are known. */
export function debugTopics(
  words: readonly string[],
  known: readonly DebugTopic[],
): readonly DebugTopic[] {
  return words.map((word) => {
    const topic = known.find((one) => one === word)
    if (topic !== undefined) return topic
    const near = closest(word, known)
    const hint = near === undefined ? '' : `; did you mean ${near}?`
    const what = `There is no debug topic "${word.slice(0, 64)}"${hint}`
    throw new UserError(`${what} (topics: ${known.join(', ')})`)
  })
}

/** The words of a text such as "netlink,routes"; none in an empty one. */
export function debugWords(text: string): readonly string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}
