import type { YAMLError } from 'yaml';

/** What to tell of each kind of error. The parser's own messages quote the text, which may be a secret. */
const SENTENCES: Readonly<Partial<Record<YAMLError['code'], string>>> = {
  ALIAS_PROPS: 'an alias cannot have an anchor or a tag: remove it',
  BAD_ALIAS: 'this alias is not well-formed: write *name after an &name higher up',
  BAD_DIRECTIVE: 'this directive is not known: remove the line that starts with %',
  BAD_DQ_ESCAPE:
    'this escape is not known in a double-quoted text: double the backslash or use single quotes',
  BAD_INDENT: 'the indentation does not fit: align it with its neighbours and close every bracket',
  BAD_SCALAR_START: 'a text cannot start with this character: put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key: value" on one line: put the value in quotes or on a line of its own',
  BLOCK_IN_FLOW: 'a block cannot stand inside brackets: close the bracket first',
  DUPLICATE_KEY: 'this key occurs twice in one mapping: keep one of them',
  KEY_OVER_1024_CHARS: 'this key is too long or its colon is missing',
  MISSING_CHAR:
    'something is not closed or not separated here: look for a missing quote, bracket, comma or colon',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line: look for a missing colon or quote',
  MULTIPLE_DOCS: 'documents must be separated by a line ---',
  NON_STRING_KEY: 'a key must be a plain text',
  TAB_AS_INDENT: 'tabs cannot indent in YAML: use spaces',
  TAG_RESOLVE_FAILED: 'this tag is not known: remove it',
  UNEXPECTED_TOKEN: 'this does not belong here: look for a missing quote, bracket or space before it',
  RESOURCE_EXHAUSTION: 'this is nested too deeply or repeated too often',
};

/** What is wrong in a YAML text and how to mend it, without a word of the text. */
export function yamlSentence(code: YAMLError['code']): string {
  return SENTENCES[code] ?? 'this is not well-formed YAML';
}
