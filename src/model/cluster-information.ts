import * as z from 'zod'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { KindDefinition } from './kind-definition.ts'

/** What the cluster is; every part refuses to work while datastoreReady is false. */
export const clusterInformationSpec = loose({
  clusterGUID: z.string().optional(),
  clusterType: z.string().optional(),
  calicoVersion: z.string().optional(),
  datastoreReady: z.boolean().optional(),
  variant: z.string().optional(),
})

export const clusterInformation: KindDefinition<'ClusterInformation'> = {
  plural: 'clusterinformations',
  aliases: ['clusterinfo', 'clusterinfos'],
  namespaced: false,
  spec: clusterInformationSpec,
  uses: {
    clusterGUID: 'kept',
    clusterType: 'kept',
    calicoVersion: 'kept',
    datastoreReady: 'obeyed',
    variant: 'kept',
  },
  columns: [
    nameColumn,
    { header: 'CLUSTERGUID', value: ({ spec }) => spec.clusterGUID ?? '' },
    { header: 'CLUSTERTYPE', value: ({ spec }) => spec.clusterType ?? '' },
    { header: 'CALICOVERSION', value: ({ spec }) => spec.calicoVersion ?? '' },
    { header: 'DATASTOREREADY', value: ({ spec }) => String(spec.datastoreReady ?? false) },
  ],
}
