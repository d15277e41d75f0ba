import type { Clock } from '../../lib/clock.ts'
import { type Random, uuid } from '../../lib/random.ts'
import { API_VERSION } from '../../model/resource.ts'
import type { Store } from '../../store/store.ts'

export interface NetworkProfilesNeeds {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
}

const PROFILES = `/calico/resources/v3/${API_VERSION.split('/')[0]!}/profiles/`

/** A name that a resource and a label can have. */
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Whether a network can have a profile of its name. */
export function isProfileName(network: string): boolean {
  return NAME.test(network)
}

/**
 * Profiles of CNI networks without Kubernetes: Felix drops what comes from another node to a workload
 * whose profile nobody made. As Calico's plugin makes them (cni-plugin/pkg/plugin): who is in the network
 * may send to who is in it, and those there are may be changed by hand and stay.
 */
export class NetworkProfiles {
  readonly #needs: NetworkProfilesNeeds

  constructor(needs: NetworkProfilesNeeds) {
    this.#needs = needs
  }

  /** Makes the profile of a network if there is none. Errors: StoreUnavailable. */
  async ensure(network: string): Promise<void> {
    const { store } = this.#needs
    const key = `${PROFILES}${network}`
    await store.transact({
      compare: [{ key, exists: false }],
      success: [{ put: key, value: JSON.stringify(this.#profile(network)) }],
    })
  }

  #profile(name: string): object {
    const { clock, random } = this.#needs
    const creationTimestamp = new Date(clock.wallTime()).toISOString().replace(/\.\d+Z$/, 'Z')
    return {
      kind: 'Profile',
      apiVersion: API_VERSION,
      metadata: { name, uid: uuid(random), creationTimestamp },
      spec: {
        ingress: [{ action: 'Allow', source: { selector: `has(${name})` }, destination: {} }],
        egress: [{ action: 'Allow', source: {}, destination: {} }],
        labelsToApply: { [name]: '' },
      },
    }
  }
}
