import { CNI_ERROR, CNI_VERSIONS, COMMAND_SINCE } from '../api/cni-protocol.ts'
import { CONFIGURATION_FIELDS, type FieldDecision } from './configuration-fields.ts'

const HEAD = `# The CNI plugin

\`tortie-cni\` is what a container runtime starts for each container: an executable that hands the request to the agent
of its node and prints what it answers. This file is made from the program's own tables by \`node scripts/schema.mjs\`; a
field without a decision does not compile.

It is found by the \`type\` of a configuration: put \`dist/tortie-cni.cjs\`, or a link to it, into the folder where the
runtime looks (usually \`/opt/cni/bin\`) under that name, \`tortie-cni\`, \`tortie\` or, in the place of Calico's plugin,
\`calico\`. Node must be in the runtime's PATH. A configuration for containerd and podman of today, for example
\`/etc/cni/net.d/10-tortie.conflist\`:

\`\`\`json
{
  "cniVersion": "1.0.0",
  "name": "k8s-pod-network",
  "plugins": [
    { "type": "tortie-cni", "ipam": { "type": "calico-ipam" } },
    { "type": "portmap", "capabilities": { "portMappings": true } },
    { "type": "bandwidth", "capabilities": { "bandwidth": true } }
  ]
}
\`\`\`

What the specification asks for point by point, with its tests, and which runtimes and plugins it is tried with:
[cni-specification.md](cni-specification.md).

Versions: ${CNI_VERSIONS.join(', ')}; without one, 0.2.0. CHECK is there since ${COMMAND_SINCE.CHECK}, GC and STATUS since ${COMMAND_SINCE.GC}.

## What the commands do

| command | what |
|---|---|
| ADD | makes the interface, and adds it, its address, gateway and routes to \`prevResult\`. What an ADD before it left unfinished, or whose pod is gone, is taken away first. A container may have several interfaces: the routes of the first are preferred |
| DEL | takes away what ADD made, and nothing else; what cannot be taken away yet, as while the datastore is away, follows by itself |
| CHECK | compares the pod with what ADD left and with \`prevResult\`, which plugins behind this one may have changed |
| GC | takes away what \`cni.dev/valid-attachments\` does not name (\`cni.dev/attachments\` is read as the same), as far as it can, and then tells of what it could not. Without that key nothing is touched |
| STATUS | fails when ADD would: the agent, the datastore, the disk, a pool or an address is missing |
| VERSION | tells the versions above |

What a pod has that is gone without a DEL, as of a runtime that is killed, is given back within a minute, and when the
agent starts. A workload is one of Kubernetes by both \`K8S_POD_NAMESPACE\` and \`K8S_POD_NAME\` in CNI_ARGS, and else known by its
container. Its host end is named as Calico names it, unless another attachment has that name.

## Fields

A field is obeyed; refused with code 2 (7 where the value makes no sense) by ADD and STATUS; the agent's, which is told
itself what the field tells Calico's plugin, so that it is passed over; or the runtime's. One that is not here is refused, but for keys that begin with \`_\` or \`cni.dev/\` and what \`args\` holds for others. A refused field may stand there
with a value that asks for nothing: \`""\`, 0, false, an empty list.
`

const CODES: Readonly<Record<keyof typeof CNI_ERROR, string>> = {
  incompatibleVersion: 'cniVersion is none of those above, or has no such command',
  unsupportedField: 'a field that is refused',
  unknownContainer: 'CHECK of a container that has no such interface',
  invalidEnvironment: 'a variable of the runtime is missing or makes no sense',
  ioFailure: 'a disk, a permission, the kernel',
  decodingFailure: 'the configuration is no JSON object',
  invalidConfiguration: 'a field whose value makes no sense; GC without its list',
  invalidNamespace: 'CNI_NETNS is the namespace of the node itself',
  tryAgainLater: 'the agent or the datastore is not there, or not ready',
  notAvailable: 'STATUS: ADD would fail; running containers keep their network',
  limitedConnectivity: 'STATUS: ADD would fail, and running containers lack something',
  conflict: 'what is there already, or is not as ADD left it',
  noAddress: 'no free address in the pools that may be used, or the one asked for is taken',
  internal: 'a defect',
}

/** docs/cni.md */
export function configurationMarkdown(): string {
  const fields = Object.entries(CONFIGURATION_FIELDS).map(
    ([path, decision]) => `| \`${path}\` | ${decision.is} | ${wordsOf(decision)} |`,
  )
  const codes = Object.entries(CNI_ERROR).map(
    ([name, code]) => `| ${code} | ${CODES[name as keyof typeof CNI_ERROR]} |`,
  )
  return [
    HEAD,
    '| field | | what |',
    '|---|---|---|',
    ...fields,
    '\n## Errors\n',
    'Each says in `msg` what was wrong, where, and what was expected, and in `details` what can be done.\n',
    '| code | when |',
    '|---|---|',
    ...codes,
    '',
  ].join('\n')
}

function wordsOf(decision: FieldDecision): string {
  switch (decision.is) {
    case 'obeyed':
      return decision.what
    case 'refused':
      return decision.why
    case 'the agent’s':
      return decision.instead
    case 'the runtime’s':
      return ''
  }
}
