import { convertImage } from '../image/convert.js';
import { CopyTally, type CopyProgress } from '../image/copy-tally.js';
import { copyTree } from '../image/copy-tree.js';
import type { ImageDestination } from '../image/destinations/destination.js';
import { blobsOf, loadTree, manifestOf, nodesBelow, type ImageTree } from '../image/image-tree.js';
import { openDestination } from '../image/open-destination.js';
import type { OpenSourcePorts } from '../image/open-source.js';
import { formatSize } from '../lib/size.js';
import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';
import type { Capabilities } from '../targets/target.js';
import type { Adapted } from './adaptation.js';
import type { PlannedPush } from './plan.js';
import type { Found } from './searching.js';
import type { StepVoice } from './steps.js';

export interface DeliveryPorts extends OpenSourcePorts {
  readonly capabilities: Capabilities;
  /** Aborts `signal`: when one part of the image fails, the others need not come to their end. */
  readonly stop: (reason: unknown) => void;
}

/** Brings an image to where its target can pull it. Prepared, by reading alone, so that the plan can tell of it. */
export class Delivery {
  readonly planned: PlannedPush;
  readonly #found: Found;
  readonly #tree: ImageTree;
  readonly #destination: ImageDestination;
  readonly #ports: DeliveryPorts;

  private constructor(
    planned: PlannedPush,
    found: Found,
    tree: ImageTree,
    destination: ImageDestination,
    ports: DeliveryPorts,
  ) {
    this.planned = planned;
    this.#found = found;
    this.#tree = tree;
    this.#destination = destination;
    this.#ports = ports;
  }

  /** @throws DeployerError `image_not_convertible`, `manifest_invalid`, and what the source throws */
  static async prepare(
    found: Found,
    { action, digest, to }: Adapted & { readonly to: Pick<Reference, 'domain' | 'path'> },
    ports: DeliveryPorts,
  ): Promise<Delivery> {
    const { source, stored, shape } = found;
    const image = shape.images.find((one) => one.digest === digest);
    const root = image === undefined ? stored : await manifestOf(source, stored, image);
    const original = await loadTree(source, root);
    const form = ports.capabilities.oci ? 'oci' : 'docker';
    const tree =
      action === 'convert' ? convertImage(original, { to: form, stripAttestations: true }) : original;
    const reference = { ...to, tag: tagOf(tree.stored.digest) };
    const destination = await openDestination(
      {
        source: found.reference === undefined ? undefined : { kind: 'registry', reference: found.reference },
        destination: { kind: 'registry', reference },
      },
      ports.registry,
      ports.signal,
    );
    const manifests = nodesBelow(tree).map((node) => node.stored);
    const blobs = blobsOf(manifests);
    const planned: PlannedPush = {
      to: reference,
      url: repositoryUrl(ports.registry, to),
      digest: tree.stored.digest,
      blobs: blobs.length,
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      manifests: manifests.length,
      present: (await destination.current()).has(tree.stored.digest),
    };
    return new Delivery(planned, found, tree, destination, ports);
  }

  /**
   * Carries it out.
   * @returns what it took, in a line
   * @throws DeployerError `push_failed`, `registry_unauthorized`, `registry_denied`, ...
   */
  async run(voice: StepVoice): Promise<string> {
    const { signal, stop, search, capabilities } = this.#ports;
    const tally = new CopyTally(tellingTenths(voice));
    const { source } = this.#found;
    await copyTree(this.#tree, { source, destination: this.#destination, tally, signal, stop });
    const { to, digest } = this.planned;
    const { lag } = capabilities;
    // What its registry does not show yet, the target would not find.
    if (lag?.hosts.includes(to.domain) === true) {
      const onWait = (why: string): void => voice.log('info', why);
      await search.find({ domain: to.domain, path: to.path, digest }, { lagMs: lag.ms, signal, onWait });
    }
    return describe(tally.progress);
  }
}

/** Below which its blobs and manifests are: `https://registry.fly.io/v2/example` */
export function repositoryUrl(
  { requests }: DeliveryPorts['registry'],
  repository: Pick<Reference, 'domain' | 'path'>,
): string {
  return requests.urlOf(repository, '').href.replace(/\/$/, '');
}

/** Said of the image, so that the same one gets the same tag, and none that another has. */
function tagOf(digest: Digest): string {
  return `deployer-${digest.slice(digest.indexOf(':') + 1).slice(0, 16)}`;
}

/** A log keeps every line: one for each tenth. */
export function tellingTenths(
  voice: StepVoice,
): (progress: Pick<CopyProgress, 'bytesDone' | 'bytesTotal'>) => void {
  let told = 0;
  return ({ bytesDone, bytesTotal }) => {
    const tenth = bytesTotal === 0 ? 0 : Math.floor((10 * bytesDone) / bytesTotal);
    if (tenth <= told) return;
    told = tenth;
    voice.progress(`${tenth * 10}% of ${formatSize(bytesTotal)}`);
  };
}

function describe({ bytesSent, blobsSent, blobsMounted, blobsSkipped }: CopyProgress): string {
  return `${blobsSent} sent (${formatSize(bytesSent)}), ${blobsMounted} mounted, ${blobsSkipped} already there`;
}
