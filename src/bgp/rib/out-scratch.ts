import { ByteWriter } from '../../lib/bytes.ts'
import { UpdateWriter } from '../../wire/bgp/update-writer.ts'
import { Batch } from './batch.ts'
import type { ExportRules } from './export-rules.ts'

/** What every flush needs and none keeps: shared by all. */
export class OutScratch {
  readonly batch = new Batch()
  readonly attributes = new ByteWriter(4096)
  readonly #messages = new Map<string, UpdateWriter>()

  messagesFor({ messageOctetsMax, addPath }: ExportRules): UpdateWriter {
    const key = `${messageOctetsMax} ${addPath}`
    let messages = this.#messages.get(key)
    if (messages === undefined) {
      messages = new UpdateWriter({ messageOctetsMax, addPath: { ipv4: addPath, ipv6: addPath } })
      this.#messages.set(key, messages)
    }
    return messages
  }
}
