/** `@deployer/cli/registry`: the distribution client, with its credentials and its transport. */
export { RegistryClient, type ManifestRequest, type RegistryClientPorts } from './client.js';
export { Authenticator, type AuthenticatorPorts } from './authenticator.js';
export { FileChallengeMemory, noMemory, type ChallengeMemory } from './challenge-memory.js';
export { anonymous, firstOf, type Credential, type CredentialSource } from './credentials/credential.js';
export { DockerCredentials, type DockerCredentialOptions } from './credentials/docker-credentials.js';
export { describeAccept, describeAnswer, type RegistryAnswer } from './answer.js';
export { refusalOf } from './refusal.js';
export { connectRegistry, type ConnectOptions } from './connect.js';
