import { type Feature, FEATURES } from './peer.ts'

export type Outcome =
  | { readonly kind: 'works' }
  | { readonly kind: 'failed' }
  /** The peer cannot do it; `why` becomes a note under the table. */
  | { readonly kind: 'lacking'; readonly why: string }

export interface Column {
  readonly title: string
  readonly version: string
  readonly cells: ReadonlyMap<Feature, Outcome>
}

/** The document of a complete run. */
export function outcomeTable(columns: readonly Column[]): string {
  const notes: string[] = []
  const cell = (outcome: Outcome | undefined): string => {
    if (outcome === undefined) return ''
    if (outcome.kind !== 'lacking') return outcome.kind === 'works' ? 'yes' : '**failed**'
    if (!notes.includes(outcome.why)) notes.push(outcome.why)
    return `no (${notes.indexOf(outcome.why) + 1})`
  }
  const rows = (Object.keys(FEATURES) as Feature[]).map((feature) => {
    const cells = columns.map(({ cells }) => cell(cells.get(feature)))
    return `| ${[FEATURES[feature], ...cells].join(' | ')} |`
  })
  return [
    '# Interoperation',
    '',
    "Tortie's BGP speaker against Debian's daemons, each in a network namespace of its own, over real TCP.",
    'Written by `npm test -- test/interop`, in which a cell that is not "yes" and not lacking in the peer fails.',
    '',
    `| | ${columns.map(({ title, version }) => (title.endsWith(version) ? title : `${title} (${version})`)).join(' | ')} |`,
    `|---|${columns.map(() => '---|').join('')}`,
    ...rows,
    '',
    ...notes.map((why, at) => `${at + 1}. ${why}.`),
    '',
    'Restarts with traffic are a test of their own, `test/interop/restart-with-traffic.test.ts`: two hosts ping each other a',
    'hundred times a second through `tortie bgpd` on one router and BIRD 2 on the other, over IPv4 and IPv6. Either daemon is',
    'killed and started again, or ours stopped gracefully: no echo is lost, and neither kernel loses a route for a moment.',
    '',
  ].join('\n')
}
