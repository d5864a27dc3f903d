// Parts of a JSON text come out byte for byte, wherever they stand.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { elementsOf, encode, membersOf, Raw } from '../../../packages/roomcast/src/http-api/raw-json.ts'

describe('members and elements', () => {
  test.each<[text: string, members: Record<string, string>]>([
    ['{}', {}],
    [' { } ', {}],
    ['{"a":1}', { a: '1' }],
    ['{"a":1e400,"b":12345678901234567890}', { a: '1e400', b: '12345678901234567890' }],
    ['{ "a" : [1, {"b":2}] , "c":"}" }', { a: '[1, {"b":2}]', c: '"}"' }],
    [String.raw`{"a\"b":"\\\"","c":"\\"}`, { 'a"b': String.raw`"\\\""`, c: String.raw`"\\"` }],
    [String.raw`{"\u0061":true}`, { a: 'true' }],
    ['{"a":1,"a":2}', { a: '2' }],
    ['{"a":"{[,:]}"}', { a: '"{[,:]}"' }],
    ['{"a":null,"b":-1.5e-3}', { a: 'null', b: '-1.5e-3' }],
    ['{"__proto__":1}', JSON.parse('{"__proto__":"1"}')],
  ])('%s', (text, members) => {
    expect([...membersOf(text)]).toEqual(Object.entries(members))
  })

  test.each<[text: string, elements: string[]]>([
    ['[]', []],
    [' [ ] ', []],
    ['[1]', ['1']],
    ['[ 1 , [2,3] , {"a":[4]} , "]" ]', ['1', '[2,3]', '{"a":[4]}', '"]"']],
  ])('%s', (text, elements) => {
    expect(elementsOf(text)).toEqual(elements)
  })

  test('of whatever there is, with whatever space', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 1, '\t'), (object, space) => {
        const text = JSON.stringify(object, null, space)
        const members = membersOf(text)
        expect([...members].map(([name, raw]) => [name, JSON.parse(raw)])).toEqual(Object.entries(JSON.parse(text)))
        for (const raw of members.values()) expect(text).toContain(raw)
        const list = JSON.stringify(Object.values(object), null, space)
        expect(elementsOf(list).map((raw) => JSON.parse(raw))).toEqual(JSON.parse(list))
      }),
    )
  })

  test('a million levels, a million members', () => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`
    expect(membersOf(`{"a":${deep}}`).get('a')).toBe(deep)
    expect(elementsOf(`[${'1,'.repeat(1_000_000)}1]`)).toHaveLength(1_000_001)
  })
})

test('what is raw is written as it is', () => {
  const value = { a: new Raw('1e400'), b: [new Raw('{ }'), 'x', null], c: undefined, 'd"': { e: true } }
  expect(encode(value)).toBe('{"a":1e400,"b":[{ },"x",null],"d\\"":{"e":true}}')
})
