/** A YAML file is imported as its text; the bundler and the test runner are told so. */
declare module '*.yaml' {
  const text: string
  export default text
}
