import { messageOf } from './errors.ts'

/** Sentences in one message; more are counted. */
const TOLD_MAX = 5

/**
 * Does something to each; where that fails, the others have their turn all the same. Throws then: the one
 * thing that was thrown, or an AggregateError with all of it and its messages.
 */
export function attemptEach<Item>(items: Iterable<Item>, act: (item: Item) => void): void {
  const thrown: unknown[] = []
  for (const item of items) {
    try {
      act(item)
    } catch (error) {
      thrown.push(error)
    }
  }
  if (thrown.length === 1) throw thrown[0]
  if (thrown.length > 1) throw new AggregateError(thrown, summaryOf(thrown.map(messageOf)))
}

function summaryOf(messages: readonly string[]): string {
  const told = messages.slice(0, TOLD_MAX)
  const more = messages.length - told.length
  return [...told, ...(more > 0 ? [`${more} more`] : [])].join('; ')
}
