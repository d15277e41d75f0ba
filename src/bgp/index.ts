/** BGP-4 for programs: the codec, the finite state machine, the speaker. `import … from 'tortie/bgp'` */
export type * from './config.ts'
export type * from './policy.ts'
export * from './route-attributes.ts'
export * from './speaker.ts'
export type * from './status.ts'
