"""Everything that can go wrong, as one tree.

::

    NotebookError
     ├─ SettingsError          a ``pyramid_notebook.*`` setting is unknown or has a bad value
     ├─ ContextError           a notebook context has an unknown key or a bad value
     ├─ UnsafePath             a file or folder that we must trust belongs to others, or is a link
     ├─ LaunchError            a user server did not come up; carries the end of its log
     │   ├─ LaunchTimeout      ... within ``start_timeout``
     │   │   └─ NotAnswering   ... because one is there already that does not answer; only the user may end it
     │   └─ TooManyServers     ... because ``max_servers`` are running already
     ├─ Unsaved                documents could not be saved before a stop; nothing was stopped
     ├─ StopError              a user server is still there after TERM and KILL
     ├─ Refused                a request from a foreign origin, or without the right to pass
     │   ├─ HttpsRequired      ... or over plain HTTP, where the site does not want that
     │   ├─ Elsewhere          ... on this host; the browser is sent to another one
     │   └─ Unasked            ... that nothing shows to be the user's own wish
     ├─ NothingHere            what is asked for is not on the host of the notebooks
     ├─ BadForm                what a page's form sent cannot be read
     │   └─ BadMethod          ... because it came with another method than GET or POST
     ├─ SyncError              what an editor asks for cannot be done; nothing has changed
     │   ├─ BadRequest         ... because the request cannot be understood
     │   ├─ TooLarge           ... because it holds too much
     │   ├─ BadPath            ... because the path of a file or notebook leads out of the user's folder, or is none
     │   ├─ UnknownLanguage    ... because nobody knows in which language the file is written
     │   ├─ NoMatch            ... because no notebook certainly belongs to the file
     │   ├─ NoNotebook         ... because there is no such notebook
     │   ├─ BadNotebook        ... because its notebook cannot be read
     │   ├─ NotebookExists     ... because there is something in its place
     │   ├─ UnknownRev         ... because the version that the file comes from is forgotten
     │   ├─ Unsynced           ... because something would be lost, for want of such a version
     │   ├─ FileChanged        ... because another program has written the notebook's file
     │   ├─ NotSaved           ... wholly: the notebook has changed, but its file could not be written
     │   ├─ NoCell             ... because a line or an id names no cell
     │   ├─ NoKernel           ... because nothing runs the notebook
     │   ├─ KernelTrouble      ... because its kernel does not do what it is told
     │   ├─ NoTab              ... because no page has it open
     │   └─ SyncUnsupported    ... because the Jupyter packages are of a version that we don't know
     ├─ CallError              a notebook that was called as a function did not return a value
     │   ├─ NotAFunction       ... because it cannot be read as one
     │   ├─ BadParameters      ... because the parameters do not fit it; names all that is wrong
     │   ├─ NotebookFailed     ... because a cell raised an exception
     │   ├─ CallTimeout        ... in time; what it had started was ended
     │   ├─ CallDied           ... because its process ended first
     │   ├─ CallCancelled      ... because somebody did not want it any more
     │   ├─ BadResult          ... that can be told in the form that was asked for
     │   │   └─ ResultTooLarge ... because it is too long
     │   ├─ NotAcceptable      ... because nobody knows the form that was asked for
     │   ├─ TooManyCalls       ... because there is no room for one more
     │   ├─ NotYet             ... yet: its run goes on
     │   └─ NoRun              ... or the run that is asked about is not known
     ├─ ChannelError           a call between kernel and page did not return a value
     │   ├─ NoChannel          ... because this process is no kernel that a page could reach
     │   ├─ NoPage             ... because no page is connected
     │   ├─ PageGone           ... because the page was closed or loaded anew
     │   ├─ ChannelClosed      ... because the channel is closed
     │   ├─ ChannelTimeout     ... in time
     │   ├─ Unsendable         ... because a value cannot be sent
     │   ├─ BadFrame           ... because what came cannot be understood
     │   └─ PageError          ... because the page's function threw an exception
     │       └─ NotExposed     ... or there is none of that name
     ├─ RpcError               a request of JSON-RPC cannot be answered
     │   ├─ NotJson            ... because it is no JSON
     │   ├─ BadCall            ... because it is no request
     │   │   └─ CallTooLarge   ... because it is too long to be read
     │   ├─ NoMethod           ... because there is no such method
     │   ├─ BadArguments       ... because its parameters do not fit; names all that is wrong
     │   ├─ NoSession          ... because there is no such session
     │   ├─ KernelDead         ... because its kernel does not run any more
     │   ├─ KernelBusy         ... because its kernel works on something else
     │   ├─ NotTheAsker        ... because only another frontend may answer this input
     │   ├─ NoExecution        ... because there is no such execution
     │   ├─ WaitedLongEnough   ... in time
     │   ├─ NoSuchThing        ... because there is no such notebook or kernel
     │   └─ TooMany            ... because there is no room for one more
     ├─ ScopeError             a scope of a token is unknown, or cannot be restricted that way
     ├─ TokenNotMade           a token cannot be made as it was asked for
     ├─ TokenStoreError        the database of the tokens does not answer, or cannot be used
     │   └─ NewerDatabase      ... because a newer version of this package has changed it
     ├─ TokenRefused           a request whose token does not let it pass (RFC 6750)
     │   ├─ TokenMissing       ... because there is none, at an address for programs
     │   ├─ TokenMisplaced     ... because it is not in the Authorization header, or there is not one token
     │   ├─ TokenInvalid       ... because there is no such token
     │   │   ├─ TokenExpired   ... any more: its time is over
     │   │   └─ TokenRevoked   ... any more: it was revoked
     │   ├─ TokenUserRefused   ... because its user is gone, or has no permission any more
     │   ├─ TokensOff          ... because the site has not said how to find that out
     │   ├─ TokenOfAnother     ... because it is for the notebooks of another user
     │   ├─ PeopleOnly         ... because none may do this
     │   ├─ ScopeInsufficient  ... because its scopes are for something else
     │   └─ TooManyFailures    ... because too many did not just before
     ├─ ProtocolError          a program's request for a token cannot be granted (RFC 6749, RFC 8628)
     ├─ CredentialsUnreadable  the file of a program's tokens holds something else
     ├─ SiteError              a site does not do what a program of a user asks of it
     │   ├─ NotSignedIn        ... because the user has no token for it
     │   ├─ RpcRefused         ... because the user's server answers a call with an error
     │   └─ SiteUnreachable    ... because it does not answer
     │       └─ AnswerLost     ... any more: whether the call was done is not known
     ├─ LoginFailed            signing a program in or out did not come to its end
     ├─ WebSocketUnsupported   the web server gives no way to its client's socket
     └─ UpstreamError          the user server did not answer a request
         ├─ UpstreamGone       ... because nothing listens
         ├─ UpstreamTimeout    ... in time
         ├─ NotStarted         ... because it was not running, and could not be started for a program
         └─ UpstreamBusy       ... because too many others of the same user are waiting for it

Each class has a ``status``, the HTTP status that a view answers with, and a ``reason``, one word for programs. Its text
is written for the person who reads the page: it says what is wrong and what to do.
"""

from __future__ import annotations

from .base import (
    BadForm,
    BadMethod,
    ContextError,
    Elsewhere,
    HttpsRequired,
    NotebookError,
    NothingHere,
    Refused,
    SettingsError,
    Unasked,
    UnsafePath,
)
from .channel import (
    BadFrame,
    ChannelClosed,
    ChannelError,
    ChannelTimeout,
    NoChannel,
    NoPage,
    NotExposed,
    PageError,
    PageGone,
    Unsendable,
)
from .functions import (
    BadParameters,
    BadResult,
    CallCancelled,
    CallDied,
    CallError,
    CallTimeout,
    Fault,
    NoRun,
    NotAcceptable,
    NotAFunction,
    NotebookFailed,
    NotYet,
    ResultTooLarge,
    TooManyCalls,
)
from .programs import (
    AnswerLost,
    CredentialsUnreadable,
    LoginFailed,
    NotSignedIn,
    RpcRefused,
    SiteError,
    SiteUnreachable,
)
from .rpc import (
    BadArguments,
    BadCall,
    CallTooLarge,
    KernelBusy,
    KernelDead,
    NoExecution,
    NoMethod,
    NoSession,
    NoSuchThing,
    NotJson,
    NotTheAsker,
    RpcError,
    TooMany,
    WaitedLongEnough,
)
from .servers import (
    LaunchError,
    LaunchTimeout,
    NotAnswering,
    NotStarted,
    StopError,
    TooManyServers,
    Unsaved,
    UpstreamBusy,
    UpstreamError,
    UpstreamGone,
    UpstreamTimeout,
    WebSocketUnsupported,
)
from .sync import (
    BadNotebook,
    BadPath,
    BadRequest,
    FileChanged,
    KernelTrouble,
    NoCell,
    NoKernel,
    NoMatch,
    NoNotebook,
    NoTab,
    NotebookExists,
    NotSaved,
    SyncError,
    SyncUnsupported,
    TooLarge,
    UnknownLanguage,
    UnknownRev,
    Unsynced,
)
from .tokens import (
    NewerDatabase,
    PeopleOnly,
    ProtocolError,
    ScopeError,
    ScopeInsufficient,
    TokenExpired,
    TokenInvalid,
    TokenMisplaced,
    TokenMissing,
    TokenNotMade,
    TokenOfAnother,
    TokenRefused,
    TokenRevoked,
    TokensOff,
    TokenStoreError,
    TokenUserRefused,
    TooManyFailures,
)

__all__ = [
    "AnswerLost",
    "BadArguments",
    "BadCall",
    "BadForm",
    "BadFrame",
    "BadMethod",
    "BadNotebook",
    "BadParameters",
    "BadPath",
    "BadRequest",
    "BadResult",
    "CallCancelled",
    "CallDied",
    "CallError",
    "CallTimeout",
    "CallTooLarge",
    "ChannelClosed",
    "ChannelError",
    "ChannelTimeout",
    "ContextError",
    "CredentialsUnreadable",
    "Elsewhere",
    "Fault",
    "FileChanged",
    "HttpsRequired",
    "KernelBusy",
    "KernelDead",
    "KernelTrouble",
    "LaunchError",
    "LaunchTimeout",
    "LoginFailed",
    "NewerDatabase",
    "NoCell",
    "NoChannel",
    "NoExecution",
    "NoKernel",
    "NoMatch",
    "NoMethod",
    "NoNotebook",
    "NoPage",
    "NoRun",
    "NoSession",
    "NoSuchThing",
    "NoTab",
    "NotAFunction",
    "NotAcceptable",
    "NotAnswering",
    "NotExposed",
    "NotJson",
    "NotSaved",
    "NotSignedIn",
    "NotStarted",
    "NotTheAsker",
    "NotYet",
    "NotebookError",
    "NotebookExists",
    "NotebookFailed",
    "NothingHere",
    "PageError",
    "PageGone",
    "PeopleOnly",
    "ProtocolError",
    "Refused",
    "ResultTooLarge",
    "RpcError",
    "RpcRefused",
    "ScopeError",
    "ScopeInsufficient",
    "SettingsError",
    "SiteError",
    "SiteUnreachable",
    "StopError",
    "SyncError",
    "SyncUnsupported",
    "TokenExpired",
    "TokenInvalid",
    "TokenMisplaced",
    "TokenMissing",
    "TokenNotMade",
    "TokenOfAnother",
    "TokenRefused",
    "TokenRevoked",
    "TokenStoreError",
    "TokenUserRefused",
    "TokensOff",
    "TooLarge",
    "TooMany",
    "TooManyCalls",
    "TooManyFailures",
    "TooManyServers",
    "Unasked",
    "UnknownLanguage",
    "UnknownRev",
    "UnsafePath",
    "Unsaved",
    "Unsendable",
    "Unsynced",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamGone",
    "UpstreamTimeout",
    "WaitedLongEnough",
    "WebSocketUnsupported",
]
