const EXTENSIONS = ['.yaml', '.yml', '.json'];

/**
 * Whether a name in a watched directory is one that declares something. Hidden names are not: `.git`,
 * vim's `.web.yaml.swp`, rsync's `.web.yaml.Ab12Cd`, emacs' `.#web.yaml`, the `..data` of a ConfigMap volume.
 */
export function isDeclarationName(name: string): boolean {
  return !isHidden(name) && EXTENSIONS.some((extension) => name.endsWith(extension));
}

export function isHidden(name: string): boolean {
  return name.startsWith('.');
}
