import type { RegistryClient } from '../registry/client.js';
import type { ImageLocation } from './location.js';
import type { ImageSearch, SearchOptions } from './search.js';
import { openDockerArchive } from './sources/docker-archive-source.js';
import { FolderFiles } from './sources/folder-files.js';
import { LayoutSource } from './sources/layout-source.js';
import { RegistrySource } from './sources/registry-source.js';
import type { ImageSource } from './sources/source.js';

export interface OpenSourcePorts {
  readonly registry: RegistryClient;
  readonly search: ImageSearch;
  readonly tempFolder: string;
  readonly signal: AbortSignal;
  /** How a registry is searched. */
  readonly searching?: Pick<SearchOptions, 'atOnce' | 'onWait'>;
}

/** @throws DeployerError `image_file_not_found`, `image_file_invalid`, `tag_not_found`, `usage` */
export async function openSource(location: ImageLocation, ports: OpenSourcePorts): Promise<ImageSource> {
  switch (location.kind) {
    case 'registry':
      return new RegistrySource(location.reference, ports);
    case 'oci': {
      const files = await FolderFiles.open(location.folder);
      return LayoutSource.open(`oci:${location.folder}`, files, location.choice);
    }
    case 'docker-archive':
      return openDockerArchive(location.file, location.name, ports);
  }
}
