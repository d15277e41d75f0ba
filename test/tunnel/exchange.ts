import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { IpAddress } from '../../src/net/ip-address.ts'
import { eventually } from '../support/command.ts'
import type { Side } from './world.ts'

const PORT = 4000

/** Sends random octets by TCP from pod to pod and compares what arrives, octet for octet. */
export async function exchange(from: Side, to: Side, octets: number): Promise<void> {
  const sent = randomBytes(octets)
  const hash = createHash('sha256')
  let received = 0
  let over: string | undefined
  let ended = false
  const address = to.pod as IpAddress
  const listener = to.podKernel.tcp.listen({ family: 4, address, port: PORT }, (connection) => {
    connection.handlers = {
      onData(data) {
        hash.update(data)
        received += data.length
      },
      onClose(reason) {
        over = reason
        ended = true
      },
    }
  })
  try {
    const connection = from.podKernel.tcp.connect(
      { remote: { address, port: PORT } },
      {
        onConnect() {
          connection.write(sent)
          connection.close()
        },
        onData() {},
        onClose: (reason) => (over ??= reason),
      },
    )
    await eventually(
      `${octets} octets at ${address}`,
      10,
      () => received >= octets && ended,
      () => `${received} octets arrived; ${over ?? 'open'}`,
    )
  } finally {
    listener.close()
  }
  assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'))
}
