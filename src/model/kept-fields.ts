/** The metadata of Kubernetes objects that have no meaning here (k8s.io/apimachinery, ObjectMeta). */
export const KEPT_METADATA = [
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'managedFields',
  'ownerReferences',
  'selfLink',
].map((name) => `metadata.${name}`)

/** Fields of a spec from their names. */
export function specFields(names: string): readonly string[] {
  return names
    .trim()
    .split(/\s+/)
    .map((name) => `spec.${name}`)
}
