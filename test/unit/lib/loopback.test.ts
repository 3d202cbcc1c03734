import { expect } from 'chai';
import { isLoopbackHost, isPrivateAddress } from '../../../src/lib/loopback.js';

/** As WHATWG's URL writes it. */
const hostOf = (host: string): string => new URL(`http://${host}/`).hostname;

describe('A loopback host', () => {
  it('is localhost, what ends in it, 127.0.0.0/8 and ::1, in every way of writing them', () => {
    const hosts = [
      ...[
        'localhost',
        'LOCALHOST',
        'registry.localhost',
        '127.0.0.1',
        '127.255.255.254',
        '127.1',
        '2130706433',
      ],
      ...['0x7f.1', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]'],
    ];
    expect(hosts.filter((host) => !isLoopbackHost(hostOf(host)))).to.deep.equal([]);
    expect(isLoopbackHost('::1')).to.equal(true);
  });

  it('is nothing else', () => {
    const hosts = [
      ...['localhost.example.com', 'notlocalhost', '127.example.com', '128.0.0.1', '0.0.0.0', '10.0.0.1'],
      ...['[::]', '[::2]', '[fe80::1]', '[::ffff:8.8.8.8]', '127-0-0-1.example.com'],
    ];
    expect(hosts.filter((host) => isLoopbackHost(hostOf(host)))).to.deep.equal([]);
  });
});

describe('A private address', () => {
  it('is loopback, RFC 1918, shared, link-local, unique local or unspecified, mapped into IPv6 or not', () => {
    const addresses = [
      ...['127.0.0.1', '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '172.16.0.1', '172.31.255.255'],
      ...['192.168.0.1', '169.254.169.254', '100.64.0.1', '100.127.255.255', '255.255.255.255'],
      ...['::', '::1', '0:0:0:0:0:0:0:1', 'fc00::1', 'FD12:3456::1', 'fe80::1', 'febf::1', 'fec0::1'],
      ...['::ffff:10.0.0.1', '::ffff:a00:1', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '::127.0.0.1'],
      // NAT64 (RFC 6052) leads to the IPv4 address inside.
      ...['64:ff9b::a00:1', '64:ff9b::10.0.0.1'],
    ];
    expect(addresses.filter((address) => !isPrivateAddress(address))).to.deep.equal([]);
  });

  it('is none on the public internet, nor what is no address', () => {
    const addresses = [
      ...['1.1.1.1', '8.8.8.8', '172.15.0.1', '172.32.0.1', '192.167.0.1', '100.63.0.1', '100.128.0.1'],
      ...[
        '169.253.0.1',
        '11.0.0.1',
        '2606:4700::1111',
        '2001:4860:4860::8888',
        '::ffff:8.8.8.8',
        '64:ff9b::808:808',
      ],
      ...['example.com', '', '10', '10.example.com', 'fc00.example.com', 'fe80'],
    ];
    expect(addresses.filter((address) => isPrivateAddress(address))).to.deep.equal([]);
  });
});
