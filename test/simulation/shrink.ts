import type { Schedule } from './schedule.ts'

/**
 * The smallest schedule that still fails, found by leaving out events, halves first, then one by one.
 * @param fails whether a schedule fails
 */
export async function shrink(
  schedule: Schedule,
  fails: (schedule: Schedule) => Promise<boolean>,
): Promise<Schedule> {
  let { events } = schedule
  for (
    let size = Math.ceil(events.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < events.length;) {
      const fewer = events.toSpliced(at, size)
      if (await fails({ ...schedule, events: fewer })) events = fewer
      else at += size
    }
  }
  return { ...schedule, events }
}
