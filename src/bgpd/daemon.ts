import type { Bfd } from '../bgp/bfd/bfd.ts'
import type { Speaker } from '../bgp/speaker.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Prefix } from '../net/prefix.ts'
import type { BgpdFile } from './config-schema.ts'
import { hasLeftRoutes, KernelRoutes } from './kernel-routes.ts'
import { announcedAttributes, type PolicyCache, daemonSpeakerConfig } from './speaker-config.ts'

export interface BgpdNeeds {
  readonly speaker: Speaker
  /** The one that the speaker was given; closed when all ends. */
  readonly bfd: Bfd
  readonly clock: Clock
  readonly log: Log
  /** The kernel whose routes are written; asked for only when the configuration has a kernel section. */
  openKernel(): Kernel
}

/**
 * A plain BGP daemon: a speaker that does what a file says.
 *
 *     file --> configuration --+--> speaker <--BGP, BFD--> neighbors
 *                              +--> static announcements --> speaker --best paths--> kernel routes
 *
 * {@link apply} may be called again with another configuration: only what differs changes.
 */
export class BgpdDaemon {
  readonly #needs: BgpdNeeds
  readonly #policies: PolicyCache = new Map()
  readonly #announced = new Map<Prefix, string>()
  readonly #ends: (() => void)[] = []
  #kernel: Kernel | undefined
  #kernelRoutes: { readonly routes: KernelRoutes; readonly end: () => void } | undefined
  #current: BgpdFile | undefined

  constructor(needs: BgpdNeeds) {
    this.#needs = needs
    this.#ends.push(
      needs.speaker.onEvent((event) => {
        if (event.kind === 'restartComplete') this.#kernelRoutes?.routes.releaseStale()
      }),
    )
  }

  /**
   * Makes everything as `file` says.
   *
   * @param options.restarting the process before this one was killed and neighbors keep its routes
   *   (RFC 4724); looked at by the first call only
   * @throws UserError, and nothing has changed then
   */
  apply(file: BgpdFile, options: { readonly restarting?: boolean } = {}): void {
    const { speaker } = this.#needs
    const first = this.#current === undefined
    const kernel = file.kernel === undefined ? undefined : this.#openKernel()
    const restarting =
      first && file.gracefulRestart !== false
        ? options.restarting === true || (kernel !== undefined && hasLeftRoutes(kernel))
        : false
    speaker.configure(daemonSpeakerConfig(file, this.#policies, restarting))
    this.#current = file
    this.#applyStatic(file)
    this.#applyKernel(file, restarting)
  }

  /** The configuration in force. */
  get current(): BgpdFile | undefined {
    return this.#current
  }

  /**
   * Ends. Graceful: neighbors and the kernel keep the routes for the process after this one; otherwise
   * neighbors are told, and the routes are taken out of the kernel.
   */
  async stop(options: {
    readonly graceful: boolean
    readonly communication?: string
  }): Promise<void> {
    for (const end of this.#ends) end()
    this.#needs.bfd.close()
    await this.#needs.speaker.stop(options)
    this.#kernelRoutes?.end()
    this.#kernelRoutes?.routes.stop(options.graceful)
    this.#kernel?.close()
  }

  #openKernel(): Kernel {
    this.#kernel ??= this.#needs.openKernel()
    return this.#kernel
  }

  #applyStatic(file: BgpdFile): void {
    const { speaker } = this.#needs
    const wanted = new Set<Prefix>()
    for (const announcement of file.static ?? []) {
      const { prefix } = announcement
      const text = JSON.stringify(announcement)
      wanted.add(prefix)
      if (this.#announced.get(prefix) === text) continue
      speaker.announce(prefix, announcedAttributes(announcement))
      this.#announced.set(prefix, text)
    }
    for (const prefix of this.#announced.keys()) {
      if (wanted.has(prefix)) continue
      speaker.withdraw(prefix)
      this.#announced.delete(prefix)
    }
  }

  #applyKernel(file: BgpdFile, restarting: boolean): void {
    if (file.kernel === undefined) {
      this.#kernelRoutes?.end()
      this.#kernelRoutes?.routes.stop(false)
      this.#kernelRoutes = undefined
      return
    }
    if (this.#kernelRoutes !== undefined) {
      this.#kernelRoutes.routes.configure(file.kernel)
      return
    }
    const { speaker, clock, log } = this.#needs
    const needs = { kernel: this.#openKernel(), clock, log }
    const routes = new KernelRoutes(needs, file.kernel, restarting)
    this.#kernelRoutes = { routes, end: speaker.onBestPaths((changes) => routes.apply(changes)) }
  }
}
