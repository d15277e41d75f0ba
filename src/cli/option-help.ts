/** What several commands say of the same option. */
export const LAB_HELP = 'lab to use (default: the running lab)'
export const LAB_OR_STORE_HELP =
  'lab to use (default: the running lab, or the datastore at ETCD_ENDPOINTS)'
export const NAMESPACE_HELP = 'namespace of namespaced kinds (default: "default")'
