import { familyOf } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { prefixOf } from '../../net/prefix.ts'
import type { Kernel, Machine } from '../../kernel/kernel.ts'
import type { Directory, DirectoryEndpoint } from '../../trace/tables/directory.ts'
import type { TestCluster, TestNode } from '../../trace/testing/test-cluster.ts'
import type { Path, Scene, SceneEnd, SceneNode } from '../fault.ts'
import type { World } from '../perform.ts'

/** A test cluster as the faults see it: the ends are in one subnet, or on either side of the router. */
export class TestScene implements World {
  readonly scene: Scene
  readonly #cluster: TestCluster
  readonly #machine: Machine
  readonly #corrupt: World['corrupt']
  readonly #registered = new Map<string, DirectoryEndpoint>()

  constructor(cluster: TestCluster, path: Path, harness: SceneHarness) {
    const [one, two, three] = cluster.nodes as [TestNode, TestNode, TestNode]
    const [to, bystander] = path === 'bare' ? [two, three] : [three, two]
    this.#cluster = cluster
    this.#machine = harness.machine
    this.scene = {
      family: familyOf(one.address),
      from: sceneEnd(one),
      to: sceneEnd(to),
      bystander: sceneNode(bystander),
      firstNamespace: FIRST_NAMESPACE,
      network: { namespace: NETWORK, router: cluster.router },
    }
    if (harness.corrupt !== undefined) {
      this.#corrupt = (namespace, link, isOn) =>
        harness.corrupt?.(this.kernel(namespace), link, isOn)
    }
  }

  get directory(): Directory {
    const { nodes, endpoints } = this.#cluster.directory
    return { nodes, endpoints: [...endpoints, ...this.#registered.values()] }
  }

  /** "network", the path of the first namespace, the name of a node, or of a pod. */
  kernel(namespace: string): Kernel {
    if (namespace === FIRST_NAMESPACE) return this.#machine.openNamespace(namespace)
    if (namespace === NETWORK) return this.#cluster.network
    const node = this.#cluster.nodes.find(({ name }) => name === namespace)
    if (node !== undefined) return node.kernel
    return this.#cluster.nodes.find(({ pod }) => pod === namespace)!.podKernel
  }

  corrupt(namespace: string, link: string, isOn: boolean): void {
    this.#corrupt?.(namespace, link, isOn)
  }

  registerPod({ pod, node, address }: Parameters<World['registerPod']>[0]): void {
    const names = { containerInterface: 'eth0', hostInterface: 'cali99999999999' }
    this.#registered.set(pod, { pod, node, addresses: [address], ...names })
  }

  unregisterPod(pod: string): void {
    this.#registered.delete(pod)
  }
}

/** What a kernel brings to be broken. */
interface SceneHarness {
  readonly machine: Machine
  corrupt?(kernel: Kernel, link: string, isOn: boolean): void
}

const FIRST_NAMESPACE = '/proc/1/ns/net'
const NETWORK = 'network'
const VXLAN = 'vxlan.calico'

function sceneNode({ name, kernel, address, podAddress }: TestNode): SceneNode {
  const vxlan = kernel.link(VXLAN)
  const own = kernel.addresses().find(({ linkIndex }) => linkIndex === vxlan?.index)
  return {
    name,
    namespace: name,
    uplink: 'ens33',
    uplinkMac: kernel.link('ens33')?.macAddress ?? mac('00:00:00:00:00:00'),
    address,
    block: prefixOf(podAddress, familyOf(podAddress) === 4 ? 24 : 64),
    port: `port${name.at(-1)}`,
    vtep:
      vxlan?.macAddress === undefined || own === undefined
        ? undefined
        : { address: own.address, mac: vxlan.macAddress },
  }
}

function sceneEnd(node: TestNode): SceneEnd {
  const { pod, hostInterface, podAddress } = node
  const link = { link: 'eth0', hostLink: hostInterface }
  return { ...sceneNode(node), pod: { name: pod, namespace: pod, ...link, address: podAddress } }
}
