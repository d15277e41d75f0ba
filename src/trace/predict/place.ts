import type { NamespaceView } from '../tables/namespace-view.ts'
import type { NamespaceSnapshot } from '../../api/node-access.ts'
import type { Place } from './fault.ts'

/** What runs a command inside a namespace: "ip netns exec server01 "; "" where it has no path. */
export function enterText({ path }: Pick<NamespaceSnapshot, 'path'>): string {
  if (path === undefined) return ''
  const named = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path)
  return named === null ? `nsenter --net=${path} ` : `ip netns exec ${named[1]!} `
}

/** The place that a view and, where one is concerned, a link are. */
export function placeOf(view: NamespaceView, link?: string): Place {
  const place = { node: view.node, netns: view.netns, enter: enterText(view.snapshot) }
  return link === undefined ? place : { ...place, link }
}
