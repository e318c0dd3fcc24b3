import { Registerer, RegistererState, UserAgent } from 'sip.js';
import { startPage } from './page.ts';

startPage('SIP.js', ({ server, user, domain, password }, show) => {
  const uri = UserAgent.makeURI(`sip:${user}@${domain}`);
  if (!uri) throw new Error(`no address: ${user}@${domain}`);
  const agent = new UserAgent({
    uri,
    transportOptions: { server },
    authorizationUsername: user,
    authorizationPassword: password,
    delegate: { onConnect: () => show('connected'), onDisconnect: () => show('disconnected') },
  });
  const registerer = new Registerer(agent);
  registerer.stateChange.addListener((state) => {
    if (state === RegistererState.Registered) show('registered');
    if (state === RegistererState.Unregistered) show('not registered');
  });
  return {
    async register() {
      await agent.start();
      await registerer.register({
        requestDelegate: {
          onReject: ({ message }) => show(`refused: ${message.statusCode} ${message.reasonPhrase}`),
        },
      });
    },
    unregister: () => void registerer.unregister(),
  };
});
