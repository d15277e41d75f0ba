import protobuf from 'protobufjs/light.js'

/**
 * The messages of etcd's v3 API that Tortie speaks, as data: field numbers and types are those of etcd's
 * rpc.proto and kv.proto; enumerations are their numbers. What is not named here is skipped on reading.
 */
const DESCRIPTOR = {
  nested: {
    ResponseHeader: fields({
      clusterId: [1, 'uint64'],
      memberId: [2, 'uint64'],
      revision: [3, 'int64'],
      raftTerm: [4, 'uint64'],
    }),
    KeyValue: fields({
      key: [1, 'bytes'],
      createRevision: [2, 'int64'],
      modRevision: [3, 'int64'],
      version: [4, 'int64'],
      value: [5, 'bytes'],
      lease: [6, 'int64'],
    }),
    Event: fields({ type: [1, 'int32'], kv: [2, 'KeyValue'], prevKv: [3, 'KeyValue'] }),
    RangeRequest: fields({
      key: [1, 'bytes'],
      rangeEnd: [2, 'bytes'],
      limit: [3, 'int64'],
      revision: [4, 'int64'],
      sortOrder: [5, 'int32'],
      sortTarget: [6, 'int32'],
      serializable: [7, 'bool'],
      keysOnly: [8, 'bool'],
      countOnly: [9, 'bool'],
    }),
    RangeResponse: fields({
      header: [1, 'ResponseHeader'],
      kvs: [2, 'KeyValue', 'repeated'],
      more: [3, 'bool'],
      count: [4, 'int64'],
    }),
    PutRequest: fields({
      key: [1, 'bytes'],
      value: [2, 'bytes'],
      lease: [3, 'int64'],
      prevKv: [4, 'bool'],
      ignoreValue: [5, 'bool'],
      ignoreLease: [6, 'bool'],
    }),
    PutResponse: fields({ header: [1, 'ResponseHeader'], prevKv: [2, 'KeyValue'] }),
    DeleteRangeRequest: fields({ key: [1, 'bytes'], rangeEnd: [2, 'bytes'], prevKv: [3, 'bool'] }),
    DeleteRangeResponse: fields({
      header: [1, 'ResponseHeader'],
      deleted: [2, 'int64'],
      prevKvs: [3, 'KeyValue', 'repeated'],
    }),
    Compare: fields({
      result: [1, 'int32'],
      target: [2, 'int32'],
      key: [3, 'bytes'],
      version: [4, 'int64'],
      createRevision: [5, 'int64'],
      modRevision: [6, 'int64'],
      value: [7, 'bytes'],
      lease: [8, 'int64'],
      rangeEnd: [64, 'bytes'],
    }),
    RequestOp: fields({
      range: [1, 'RangeRequest'],
      put: [2, 'PutRequest'],
      deleteRange: [3, 'DeleteRangeRequest'],
      txn: [4, 'TxnRequest'],
    }),
    ResponseOp: fields({
      range: [1, 'RangeResponse'],
      put: [2, 'PutResponse'],
      deleteRange: [3, 'DeleteRangeResponse'],
    }),
    TxnRequest: fields({
      compare: [1, 'Compare', 'repeated'],
      success: [2, 'RequestOp', 'repeated'],
      failure: [3, 'RequestOp', 'repeated'],
    }),
    TxnResponse: fields({
      header: [1, 'ResponseHeader'],
      succeeded: [2, 'bool'],
      responses: [3, 'ResponseOp', 'repeated'],
    }),
    CompactionRequest: fields({ revision: [1, 'int64'], physical: [2, 'bool'] }),
    CompactionResponse: fields({ header: [1, 'ResponseHeader'] }),
    WatchCreateRequest: fields({
      key: [1, 'bytes'],
      rangeEnd: [2, 'bytes'],
      startRevision: [3, 'int64'],
      progressNotify: [4, 'bool'],
      filters: [5, 'int32', 'repeated'],
      prevKv: [6, 'bool'],
      watchId: [7, 'int64'],
    }),
    WatchCancelRequest: fields({ watchId: [1, 'int64'] }),
    WatchProgressRequest: fields({}),
    WatchRequest: fields({
      create: [1, 'WatchCreateRequest'],
      cancel: [2, 'WatchCancelRequest'],
      progress: [3, 'WatchProgressRequest'],
    }),
    WatchResponse: fields({
      header: [1, 'ResponseHeader'],
      watchId: [2, 'int64'],
      created: [3, 'bool'],
      canceled: [4, 'bool'],
      compactRevision: [5, 'int64'],
      cancelReason: [6, 'string'],
      events: [11, 'Event', 'repeated'],
    }),
    StatusRequest: fields({}),
    StatusResponse: fields({
      header: [1, 'ResponseHeader'],
      version: [2, 'string'],
      dbSize: [3, 'int64'],
      leader: [4, 'uint64'],
      raftIndex: [5, 'uint64'],
      raftTerm: [6, 'uint64'],
    }),
  },
}

type FieldSpec = readonly [id: number, type: string, rule?: 'repeated']

function fields(specs: Readonly<Record<string, FieldSpec>>): protobuf.IType {
  return {
    fields: Object.fromEntries(
      Object.entries(specs).map(([name, [id, type, rule]]) => [
        name,
        rule === undefined ? { id, type } : { id, type, rule },
      ]),
    ),
  }
}

export interface ResponseHeader {
  readonly clusterId: number
  readonly memberId: number
  readonly revision: number
  readonly raftTerm: number
}

export interface KeyValue {
  readonly key: Uint8Array
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly value: Uint8Array
}

export interface Event {
  /** 0: put, 1: delete. */
  readonly type: number
  readonly kv: KeyValue
  readonly prevKv?: KeyValue | null
}

export interface RangeRequest {
  readonly key: Uint8Array
  /** Empty: the key alone; one zero octet: all from the key on; else the first key beyond. */
  readonly rangeEnd: Uint8Array
  readonly limit: number
  readonly revision: number
  readonly sortOrder: number
  readonly sortTarget: number
  readonly keysOnly: boolean
  readonly countOnly: boolean
}

export interface RangeResponse {
  readonly header: ResponseHeader
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
  readonly count: number
}

export interface PutRequest {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly lease: number
  readonly prevKv: boolean
  readonly ignoreValue: boolean
}

export interface PutResponse {
  readonly header: ResponseHeader
  readonly prevKv?: KeyValue | undefined
}

export interface DeleteRangeRequest {
  readonly key: Uint8Array
  readonly rangeEnd: Uint8Array
  readonly prevKv: boolean
}

export interface DeleteRangeResponse {
  readonly header: ResponseHeader
  readonly deleted: number
  readonly prevKvs: readonly KeyValue[]
}

export interface Compare {
  readonly result: number
  readonly target: number
  readonly key: Uint8Array
  readonly version: number
  readonly createRevision: number
  readonly modRevision: number
  readonly value: Uint8Array
  readonly lease: number
  readonly rangeEnd: Uint8Array
}

export const CompareResult = { equal: 0, greater: 1, less: 2, notEqual: 3 } as const
export const CompareTarget = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const

export interface RequestOp {
  readonly range?: RangeRequest | null
  readonly put?: PutRequest | null
  readonly deleteRange?: DeleteRangeRequest | null
  readonly txn?: object | null
}

export interface ResponseOp {
  readonly range?: RangeResponse | null
  readonly put?: PutResponse | null
  readonly deleteRange?: DeleteRangeResponse | null
}

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly RequestOp[]
  readonly failure: readonly RequestOp[]
}

export interface TxnResponse {
  readonly header: ResponseHeader
  readonly succeeded: boolean
  readonly responses: readonly ResponseOp[]
}

export interface CompactionRequest {
  readonly revision: number
}

export interface CompactionResponse {
  readonly header: ResponseHeader
}

export interface WatchCreateRequest {
  readonly key: Uint8Array
  readonly rangeEnd: Uint8Array
  readonly startRevision: number
  readonly progressNotify: boolean
  /** 0: no puts, 1: no deletes. */
  readonly filters: readonly number[]
  readonly prevKv: boolean
  readonly watchId: number
}

export interface WatchRequest {
  readonly create?: WatchCreateRequest | null
  readonly cancel?: { readonly watchId: number } | null
  readonly progress?: object | null
}

export interface WatchResponse {
  readonly header: ResponseHeader
  readonly watchId: number
  readonly created: boolean
  readonly canceled: boolean
  readonly compactRevision: number
  readonly cancelReason: string
  readonly events: readonly Event[]
}

export interface StatusResponse {
  readonly header: ResponseHeader
  readonly version: string
  readonly dbSize: number
  readonly leader: number
  readonly raftIndex: number
  readonly raftTerm: number
}

/** Octets of one message and back; absent fields read as zero, empty or null. */
export interface MessageCodec<Message> {
  encode(message: DeepPartial<Message>): Buffer
  /** Throws on octets that are no such message. */
  decode(octets: Uint8Array): Message
}

type DeepPartial<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepPartial<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined }
      : T

const root = protobuf.Root.fromJSON(DESCRIPTOR)

function codec<Message>(name: keyof typeof DESCRIPTOR.nested): MessageCodec<Message> {
  const type = root.lookupType(name)
  return {
    encode: (message) => Buffer.from(type.encode(message as object).finish()),
    decode: (octets) =>
      type.toObject(type.decode(octets), { longs: Number, defaults: true }) as Message,
  }
}

/** One method of one service: what is sent and what comes back. */
export interface EtcdMethod<Request, Response> {
  readonly path: string
  readonly request: MessageCodec<Request>
  readonly response: MessageCodec<Response>
}

/** The methods of etcd that Tortie serves and calls. */
export const METHODS = {
  range: method<RangeRequest, RangeResponse>('KV/Range', 'RangeRequest', 'RangeResponse'),
  put: method<PutRequest, PutResponse>('KV/Put', 'PutRequest', 'PutResponse'),
  deleteRange: method<DeleteRangeRequest, DeleteRangeResponse>(
    'KV/DeleteRange',
    'DeleteRangeRequest',
    'DeleteRangeResponse',
  ),
  txn: method<TxnRequest, TxnResponse>('KV/Txn', 'TxnRequest', 'TxnResponse'),
  compact: method<CompactionRequest, CompactionResponse>(
    'KV/Compact',
    'CompactionRequest',
    'CompactionResponse',
  ),
  watch: method<WatchRequest, WatchResponse>('Watch/Watch', 'WatchRequest', 'WatchResponse'),
  status: method<object, StatusResponse>('Maintenance/Status', 'StatusRequest', 'StatusResponse'),
} as const

function method<Request, Response>(
  path: string,
  request: keyof typeof DESCRIPTOR.nested,
  response: keyof typeof DESCRIPTOR.nested,
): EtcdMethod<Request, Response> {
  return { path: `/etcdserverpb.${path}`, request: codec(request), response: codec(response) }
}
