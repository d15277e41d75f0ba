import * as z from 'zod'
import { loose } from './loose.ts'

/** The metadata of Kubernetes objects, in the order in which Go writes it. */
export const metadataSchema = loose({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  /** Of the store, not stored: the decimal modification revision. */
  resourceVersion: z.string().optional(),
  /** RFC 3339 to the second, UTC: "2019-01-16T06:46:19Z". */
  creationTimestamp: z.string().nullish(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
})

export type Metadata = z.infer<typeof metadataSchema>
