describe('a test that forgets', () => {
  it('its timer', () => {
    setInterval(() => undefined, 1000);
  });
});
