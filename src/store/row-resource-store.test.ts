import { resourceKey } from './keys.ts'
import { MemoryStore } from './memory-store.ts'
import { resourceStoreContract } from './resource-store.contract.ts'
import { RowResourceStore } from './row-resource-store.ts'

resourceStoreContract('rows of a store', () => {
  const memory = new MemoryStore()
  return Promise.resolve({
    store: new RowResourceStore(memory),
    expire: () => memory.compact(memory.revision),
    spoil: (pool) => {
      memory.commit([{ put: resourceKey('IPPool', pool), value: 'rubbish' }])
    },
    dispose: () => {
      memory.close()
    },
  })
})

resourceStoreContract('rows that many read once', () => {
  const memory = new MemoryStore()
  return Promise.resolve({
    store: new RowResourceStore(memory, { decoded: new WeakMap() }),
    expire: () => memory.compact(memory.revision),
    spoil: (pool) => {
      memory.commit([{ put: resourceKey('IPPool', pool), value: 'rubbish' }])
    },
    dispose: () => {
      memory.close()
    },
  })
})
