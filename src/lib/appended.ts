/**
 * A list with one more item and room for no others. One that is pushed to has room for sixteen: too much
 * for what is kept a million times and has one item nearly always.
 */
export function appended<Item>(list: readonly Item[], item: Item): Item[] {
  return list.length === 0 ? [item] : [...list, item]
}
