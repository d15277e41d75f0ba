import type { AttachmentStore } from '../../src/cni/attachment.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Store } from '../../src/store/store.ts'

/** A mistake in what every agent stands on, as a mistake of its own would look from outside. */
export interface Sabotage {
  /** What answers in the place of a kernel: the host's own, or a pod's. */
  kernel?(kernel: Kernel, host: Kernel): Partial<Kernel>
  store?(store: Store): Store
  attachments?(attachments: AttachmentStore): AttachmentStore
}
