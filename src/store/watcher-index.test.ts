import { describe, expect, it } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { WatcherIndex } from './watcher-index.ts'

describe('watchers by prefix', () => {
  it('finds those whose prefix a key begins with, and no longer one that left', () => {
    const index = new WatcherIndex<{ readonly prefix: string }>()
    const [all, nodes, pools] = [{ prefix: '' }, { prefix: '/n/' }, { prefix: '/p/' }]
    for (const watcher of [all, nodes, pools]) index.add(watcher)
    expect([...index.of('/n/a')]).toEqual([all, nodes])
    index.delete(all)
    index.delete(all)
    expect([...index.of('/n/a')]).toEqual([nodes])
    expect([...index.of('/')]).toEqual([])
  })
})

describe('a watcher of the store that nothing concerned for long', () => {
  it('survives a compaction of what it was never to hear', async () => {
    const store = new MemoryStore({ historyLimit: 10 })
    const heard: number[] = []
    const onEnd = (): never => expect.unreachable('the watch ended')
    store.watch('/quiet/', 0, { onEvents: (_, revision) => heard.push(revision), onEnd })
    await Promise.resolve()
    for (let at = 0; at < 50; at++) store.commit([{ put: '/busy/a', value: String(at) }])
    await Promise.resolve()
    store.commit([{ put: '/quiet/a', value: '1' }])
    store.commit([{ put: '/quiet/a', value: '2' }])
    await Promise.resolve()
    expect(heard).toEqual([52, 53])
  })
})
