import { ERROR_CODE } from './iana.ts'

const NOTHING = new Uint8Array(0)

/**
 * What a neighbor sent that ends the session, with the NOTIFICATION that answers it (RFC 4271 section 6).
 * The only error that decoders of this folder throw.
 */
export class BgpError extends Error {
  override readonly name = 'BgpError'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array

  constructor(code: number, subcode: number, message: string, data: Uint8Array = NOTHING) {
    super(message)
    this.code = code
    this.subcode = subcode
    this.data = data
  }
}

export function headerError(subcode: number, message: string, data?: Uint8Array): BgpError {
  return new BgpError(ERROR_CODE.messageHeader, subcode, message, data)
}

export function openError(subcode: number, message: string, data?: Uint8Array): BgpError {
  return new BgpError(ERROR_CODE.openMessage, subcode, message, data)
}

export function updateError(subcode: number, message: string, data?: Uint8Array): BgpError {
  return new BgpError(ERROR_CODE.updateMessage, subcode, message, data)
}
