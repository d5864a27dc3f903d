// Two copies of this package in one process, as a package manager leaves them that could not make them one: what one copy
// made comes to the other, whose classes are others. A refusal that is not known as one would be a state, and open a door.

/** From here on `instanceof type` also holds for what another copy made as its `type`. Classes that extend it ask as ever.
 * @param name the same in all copies. */
export function shareWithCopies(name: string, type: { readonly prototype: object }): void {
  const mark = Symbol.for(`@roomcast/core ${name}`)
  Object.defineProperty(type.prototype, mark, { value: true })
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: { [mark]?: true } | null | undefined): boolean {
      return this === type ? value?.[mark] === true : Function.prototype[Symbol.hasInstance].call(this, value)
    },
  })
}
