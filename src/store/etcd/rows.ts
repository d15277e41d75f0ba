import type { Row, WatchEvent } from '../store.ts'
import type { Event, KeyValue } from './messages.ts'
import { toOctets, toTextOfAnyOctets } from './text.ts'

export function toKeyValue(row: Row): KeyValue {
  const { createRevision, modRevision, version } = row
  return {
    key: toOctets(row.key),
    createRevision,
    modRevision,
    version,
    value: toOctets(row.value),
  }
}

/** Octets that are not UTF-8 become U+FFFD; the reader of JSON refuses them. */
export function toRow(kv: KeyValue): Row {
  const { createRevision, modRevision, version } = kv
  return {
    key: toTextOfAnyOctets(kv.key),
    value: toTextOfAnyOctets(kv.value),
    createRevision,
    modRevision,
    version,
  }
}

const PUT = 0
const DELETE = 1

export function toEvent(event: WatchEvent, withPrevious: boolean): Event {
  const { previous } = event
  const prevKv = withPrevious && previous !== undefined ? toKeyValue(previous) : null
  if (event.kind === 'put') return { type: PUT, kv: toKeyValue(event.row), prevKv }
  const { key, modRevision } = event
  // A tombstone has the revision of the deletion and nothing else.
  const kv = { key: toOctets(key), createRevision: 0, modRevision, version: 0, value: toOctets('') }
  return { type: DELETE, kv, prevKv }
}

export function toWatchEvent({ type, kv }: Event): WatchEvent {
  return type === DELETE
    ? { kind: 'delete', key: toTextOfAnyOctets(kv.key), modRevision: kv.modRevision }
    : { kind: 'put', row: toRow(kv) }
}
