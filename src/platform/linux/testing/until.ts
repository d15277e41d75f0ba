const DEADLINE_MILLISECONDS = 20_000
const PERIOD_MILLISECONDS = 2

/** Lets real time pass until `condition` holds; rejects, saying what was awaited, when it never does. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MILLISECONDS
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MILLISECONDS))
  }
}
