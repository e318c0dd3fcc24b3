import JsSIP from 'jssip';
import { startPage } from './page.ts';

startPage(`JsSIP ${JsSIP.version}`, ({ server, user, domain, password }, show) => {
  const ua = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(server)],
    uri: `sip:${user}@${domain}`,
    password,
  });
  ua.on('connected', () => show('connected'));
  ua.on('disconnected', () => show('disconnected'));
  ua.on('registered', () => show('registered'));
  ua.on('unregistered', () => show('not registered'));
  ua.on('registrationFailed', ({ response }) => {
    show(response ? `refused: ${response.status_code} ${response.reason_phrase}` : 'no answer');
  });
  return {
    register() {
      // When it is connected it registers by itself.
      if (ua.isConnected()) ua.register();
      else ua.start();
    },
    unregister: () => ua.unregister(),
  };
});
