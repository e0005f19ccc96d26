//! The table of all objects (IEEE 1815-2012, clause 11 and annex A), in order of group and variation.

use crate::objects::{Authentication, Family, File, Fixed, Flags, Layout, Number, Object, Status, Time};
use Flags::{AnalogInput, AnalogOutput, BinaryInput, BinaryOutput, Counter, DoubleBitInput};
use Layout::{Attribute, Bit, Control, Delay, Empty, Octets, Opaque, TwoBits};
use Number::{F32, F64, I16, I32, U8, U16, U32};
use Time::{Absolute, Relative};

const UNTIMED: Time = Time::None;
const STATE: Number = Number::None;

macro_rules! objects {
    ($($group:literal $variation:tt $name:literal $layout:expr;)*) => {
        /// Every object, in order of group and variation; the line for any variation is the last of its group.
        pub(crate) static OBJECTS: &[Object] = &[$(Object {
            group: $group, variation: objects!(@ $variation), name: $name, layout: $layout,
        }),*];
    };
    (@ any) => { None };
    (@ $variation:literal) => { Some($variation) };
}

objects! {
    0 196 "Device Attributes: configuration id" Attribute;
    0 197 "Device Attributes: configuration version" Attribute;
    0 198 "Device Attributes: configuration build date" Attribute;
    0 199 "Device Attributes: configuration last change date" Attribute;
    0 200 "Device Attributes: configuration signature" Attribute;
    0 201 "Device Attributes: configuration signature algorithm" Attribute;
    0 202 "Device Attributes: master resource id" Attribute;
    0 203 "Device Attributes: altitude" Attribute;
    0 204 "Device Attributes: longitude" Attribute;
    0 205 "Device Attributes: latitude" Attribute;
    0 206 "Device Attributes: secondary operator name" Attribute;
    0 207 "Device Attributes: primary operator name" Attribute;
    0 208 "Device Attributes: system name" Attribute;
    0 209 "Device Attributes: secure authentication version" Attribute;
    0 210 "Device Attributes: security statistics per association" Attribute;
    0 211 "Device Attributes: support of user-specific attributes" Attribute;
    0 212 "Device Attributes: data set prototypes of the master" Attribute;
    0 213 "Device Attributes: data set prototypes of the outstation" Attribute;
    0 214 "Device Attributes: data sets of the master" Attribute;
    0 215 "Device Attributes: data sets of the outstation" Attribute;
    0 216 "Device Attributes: binary outputs per request" Attribute;
    0 217 "Device Attributes: local timing accuracy" Attribute;
    0 218 "Device Attributes: duration of timing accuracy" Attribute;
    0 219 "Device Attributes: support of analog output events" Attribute;
    0 220 "Device Attributes: highest analog output index" Attribute;
    0 221 "Device Attributes: number of analog outputs" Attribute;
    0 222 "Device Attributes: support of binary output events" Attribute;
    0 223 "Device Attributes: highest binary output index" Attribute;
    0 224 "Device Attributes: number of binary outputs" Attribute;
    0 225 "Device Attributes: support of frozen counter events" Attribute;
    0 226 "Device Attributes: support of frozen counters" Attribute;
    0 227 "Device Attributes: support of counter events" Attribute;
    0 228 "Device Attributes: highest counter index" Attribute;
    0 229 "Device Attributes: number of counters" Attribute;
    0 230 "Device Attributes: support of frozen analog inputs" Attribute;
    0 231 "Device Attributes: support of analog input events" Attribute;
    0 232 "Device Attributes: highest analog input index" Attribute;
    0 233 "Device Attributes: number of analog inputs" Attribute;
    0 234 "Device Attributes: support of double-bit input events" Attribute;
    0 235 "Device Attributes: highest double-bit input index" Attribute;
    0 236 "Device Attributes: number of double-bit inputs" Attribute;
    0 237 "Device Attributes: support of binary input events" Attribute;
    0 238 "Device Attributes: highest binary input index" Attribute;
    0 239 "Device Attributes: number of binary inputs" Attribute;
    0 240 "Device Attributes: longest fragment sent" Attribute;
    0 241 "Device Attributes: longest fragment received" Attribute;
    0 242 "Device Attributes: software version" Attribute;
    0 243 "Device Attributes: hardware version" Attribute;
    0 244 "Device Attributes: owner name" Attribute;
    0 245 "Device Attributes: location" Attribute;
    0 246 "Device Attributes: id code" Attribute;
    0 247 "Device Attributes: device name" Attribute;
    0 248 "Device Attributes: serial number" Attribute;
    0 249 "Device Attributes: DNP3 subset and conformance" Attribute;
    0 250 "Device Attributes: product name and model" Attribute;
    0 252 "Device Attributes: manufacturer" Attribute;
    0 254 "Device Attributes: all attributes" Attribute;
    0 255 "Device Attributes: list of attributes" Attribute;
    0 any "Device Attributes: attribute of the user or the manufacturer" Attribute;
    1 0 "Binary Input" Empty;
    1 1 "Binary Input, packed" Bit;
    1 2 "Binary Input, with flags" flagged(BinaryInput, STATE, UNTIMED);
    2 0 "Binary Input Event" Empty;
    2 1 "Binary Input Event, without time" flagged(BinaryInput, STATE, UNTIMED);
    2 2 "Binary Input Event, with time" flagged(BinaryInput, STATE, Absolute);
    2 3 "Binary Input Event, with relative time" flagged(BinaryInput, STATE, Relative);
    3 0 "Double-bit Binary Input" Empty;
    3 1 "Double-bit Binary Input, packed" TwoBits;
    3 2 "Double-bit Binary Input, with flags" flagged(DoubleBitInput, STATE, UNTIMED);
    4 0 "Double-bit Binary Input Event" Empty;
    4 1 "Double-bit Binary Input Event, without time" flagged(DoubleBitInput, STATE, UNTIMED);
    4 2 "Double-bit Binary Input Event, with time" flagged(DoubleBitInput, STATE, Absolute);
    4 3 "Double-bit Binary Input Event, with relative time" flagged(DoubleBitInput, STATE, Relative);
    10 0 "Binary Output" Empty;
    10 1 "Binary Output, packed" Bit;
    10 2 "Binary Output, with flags" flagged(BinaryOutput, STATE, UNTIMED);
    11 0 "Binary Output Event" Empty;
    11 1 "Binary Output Event, without time" flagged(BinaryOutput, STATE, UNTIMED);
    11 2 "Binary Output Event, with time" flagged(BinaryOutput, STATE, Absolute);
    12 0 "Binary Output Command" Empty;
    12 1 "Control Relay Output Block" Control;
    12 2 "Pattern Control Block" Control;
    12 3 "Pattern Mask" Bit;
    13 0 "Binary Output Command Event" Empty;
    13 1 "Binary Output Command Event, without time" state(UNTIMED);
    13 2 "Binary Output Command Event, with time" state(Absolute);
    20 0 "Counter" Empty;
    20 1 "Counter, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    20 2 "Counter, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    20 3 "Delta Counter, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    20 4 "Delta Counter, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    20 5 "Counter, 32-bit without flag" bare(U32, Family::Counter);
    20 6 "Counter, 16-bit without flag" bare(U16, Family::Counter);
    20 7 "Delta Counter, 32-bit without flag" bare(U32, Family::Counter);
    20 8 "Delta Counter, 16-bit without flag" bare(U16, Family::Counter);
    21 0 "Frozen Counter" Empty;
    21 1 "Frozen Counter, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    21 2 "Frozen Counter, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    21 3 "Frozen Delta Counter, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    21 4 "Frozen Delta Counter, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    21 5 "Frozen Counter, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    21 6 "Frozen Counter, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    21 7 "Frozen Delta Counter, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    21 8 "Frozen Delta Counter, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    21 9 "Frozen Counter, 32-bit without flag" bare(U32, Family::Counter);
    21 10 "Frozen Counter, 16-bit without flag" bare(U16, Family::Counter);
    21 11 "Frozen Delta Counter, 32-bit without flag" bare(U32, Family::Counter);
    21 12 "Frozen Delta Counter, 16-bit without flag" bare(U16, Family::Counter);
    22 0 "Counter Event" Empty;
    22 1 "Counter Event, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    22 2 "Counter Event, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    22 3 "Delta Counter Event, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    22 4 "Delta Counter Event, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    22 5 "Counter Event, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    22 6 "Counter Event, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    22 7 "Delta Counter Event, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    22 8 "Delta Counter Event, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    23 0 "Frozen Counter Event" Empty;
    23 1 "Frozen Counter Event, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    23 2 "Frozen Counter Event, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    23 3 "Frozen Delta Counter Event, 32-bit with flag" flagged(Counter, U32, UNTIMED);
    23 4 "Frozen Delta Counter Event, 16-bit with flag" flagged(Counter, U16, UNTIMED);
    23 5 "Frozen Counter Event, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    23 6 "Frozen Counter Event, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    23 7 "Frozen Delta Counter Event, 32-bit with flag and time" flagged(Counter, U32, Absolute);
    23 8 "Frozen Delta Counter Event, 16-bit with flag and time" flagged(Counter, U16, Absolute);
    30 0 "Analog Input" Empty;
    30 1 "Analog Input, 32-bit with flag" flagged(AnalogInput, I32, UNTIMED);
    30 2 "Analog Input, 16-bit with flag" flagged(AnalogInput, I16, UNTIMED);
    30 3 "Analog Input, 32-bit without flag" bare(I32, Family::AnalogInput);
    30 4 "Analog Input, 16-bit without flag" bare(I16, Family::AnalogInput);
    30 5 "Analog Input, single-precision with flag" flagged(AnalogInput, F32, UNTIMED);
    30 6 "Analog Input, double-precision with flag" flagged(AnalogInput, F64, UNTIMED);
    31 0 "Frozen Analog Input" Empty;
    31 1 "Frozen Analog Input, 32-bit with flag" flagged(AnalogInput, I32, UNTIMED);
    31 2 "Frozen Analog Input, 16-bit with flag" flagged(AnalogInput, I16, UNTIMED);
    31 3 "Frozen Analog Input, 32-bit with flag and time" flagged(AnalogInput, I32, Absolute);
    31 4 "Frozen Analog Input, 16-bit with flag and time" flagged(AnalogInput, I16, Absolute);
    31 5 "Frozen Analog Input, 32-bit without flag" bare(I32, Family::AnalogInput);
    31 6 "Frozen Analog Input, 16-bit without flag" bare(I16, Family::AnalogInput);
    31 7 "Frozen Analog Input, single-precision with flag" flagged(AnalogInput, F32, UNTIMED);
    31 8 "Frozen Analog Input, double-precision with flag" flagged(AnalogInput, F64, UNTIMED);
    32 0 "Analog Input Event" Empty;
    32 1 "Analog Input Event, 32-bit" flagged(AnalogInput, I32, UNTIMED);
    32 2 "Analog Input Event, 16-bit" flagged(AnalogInput, I16, UNTIMED);
    32 3 "Analog Input Event, 32-bit with time" flagged(AnalogInput, I32, Absolute);
    32 4 "Analog Input Event, 16-bit with time" flagged(AnalogInput, I16, Absolute);
    32 5 "Analog Input Event, single-precision" flagged(AnalogInput, F32, UNTIMED);
    32 6 "Analog Input Event, double-precision" flagged(AnalogInput, F64, UNTIMED);
    32 7 "Analog Input Event, single-precision with time" flagged(AnalogInput, F32, Absolute);
    32 8 "Analog Input Event, double-precision with time" flagged(AnalogInput, F64, Absolute);
    33 0 "Frozen Analog Input Event" Empty;
    33 1 "Frozen Analog Input Event, 32-bit" flagged(AnalogInput, I32, UNTIMED);
    33 2 "Frozen Analog Input Event, 16-bit" flagged(AnalogInput, I16, UNTIMED);
    33 3 "Frozen Analog Input Event, 32-bit with time" flagged(AnalogInput, I32, Absolute);
    33 4 "Frozen Analog Input Event, 16-bit with time" flagged(AnalogInput, I16, Absolute);
    33 5 "Frozen Analog Input Event, single-precision" flagged(AnalogInput, F32, UNTIMED);
    33 6 "Frozen Analog Input Event, double-precision" flagged(AnalogInput, F64, UNTIMED);
    33 7 "Frozen Analog Input Event, single-precision with time" flagged(AnalogInput, F32, Absolute);
    33 8 "Frozen Analog Input Event, double-precision with time" flagged(AnalogInput, F64, Absolute);
    34 0 "Analog Input Deadband" Empty;
    34 1 "Analog Input Deadband, 16-bit" bare(U16, Family::Deadband);
    34 2 "Analog Input Deadband, 32-bit" bare(U32, Family::Deadband);
    34 3 "Analog Input Deadband, single-precision" bare(F32, Family::Deadband);
    40 0 "Analog Output Status" Empty;
    40 1 "Analog Output Status, 32-bit" flagged(AnalogOutput, I32, UNTIMED);
    40 2 "Analog Output Status, 16-bit" flagged(AnalogOutput, I16, UNTIMED);
    40 3 "Analog Output Status, single-precision" flagged(AnalogOutput, F32, UNTIMED);
    40 4 "Analog Output Status, double-precision" flagged(AnalogOutput, F64, UNTIMED);
    41 0 "Analog Output Block" Empty;
    41 1 "Analog Output Block, 32-bit" command(I32);
    41 2 "Analog Output Block, 16-bit" command(I16);
    41 3 "Analog Output Block, single-precision" command(F32);
    41 4 "Analog Output Block, double-precision" command(F64);
    42 0 "Analog Output Event" Empty;
    42 1 "Analog Output Event, 32-bit" flagged(AnalogOutput, I32, UNTIMED);
    42 2 "Analog Output Event, 16-bit" flagged(AnalogOutput, I16, UNTIMED);
    42 3 "Analog Output Event, 32-bit with time" flagged(AnalogOutput, I32, Absolute);
    42 4 "Analog Output Event, 16-bit with time" flagged(AnalogOutput, I16, Absolute);
    42 5 "Analog Output Event, single-precision" flagged(AnalogOutput, F32, UNTIMED);
    42 6 "Analog Output Event, double-precision" flagged(AnalogOutput, F64, UNTIMED);
    42 7 "Analog Output Event, single-precision with time" flagged(AnalogOutput, F32, Absolute);
    42 8 "Analog Output Event, double-precision with time" flagged(AnalogOutput, F64, Absolute);
    43 0 "Analog Output Command Event" Empty;
    43 1 "Analog Output Command Event, 32-bit" commanded(I32, UNTIMED);
    43 2 "Analog Output Command Event, 16-bit" commanded(I16, UNTIMED);
    43 3 "Analog Output Command Event, 32-bit with time" commanded(I32, Absolute);
    43 4 "Analog Output Command Event, 16-bit with time" commanded(I16, Absolute);
    43 5 "Analog Output Command Event, single-precision" commanded(F32, UNTIMED);
    43 6 "Analog Output Command Event, double-precision" commanded(F64, UNTIMED);
    43 7 "Analog Output Command Event, single-precision with time" commanded(F32, Absolute);
    43 8 "Analog Output Command Event, double-precision with time" commanded(F64, Absolute);
    50 0 "Time and Date" Empty;
    50 1 "Time and Date, absolute" Layout::Time;
    50 2 "Time and Date, absolute with interval" Layout::TimeInterval { unit: false };
    50 3 "Time and Date, last recorded" Layout::Time;
    50 4 "Time and Date, indexed with interval" Layout::TimeInterval { unit: true };
    51 0 "Common Time of Occurrence" Empty;
    51 1 "Common Time of Occurrence, synchronized" Layout::Time;
    51 2 "Common Time of Occurrence, unsynchronized" Layout::Time;
    52 0 "Time Delay" Empty;
    52 1 "Time Delay, coarse (seconds)" Delay;
    52 2 "Time Delay, fine (milliseconds)" Delay;
    60 0 "Class Data" Empty;
    60 1 "Class 0 Data" Empty;
    60 2 "Class 1 Data" Empty;
    60 3 "Class 2 Data" Empty;
    60 4 "Class 3 Data" Empty;
    70 1 "File Identifier (superseded)" Layout::File(File::Identifier);
    70 2 "File Authentication" Layout::File(File::Authentication);
    70 3 "File Command" Layout::File(File::Command);
    70 4 "File Command Status" Layout::File(File::CommandStatus);
    70 5 "File Transport" Layout::File(File::Transport);
    70 6 "File Transport Status" Layout::File(File::TransportStatus);
    70 7 "File Descriptor" Layout::File(File::Descriptor);
    70 8 "File Specification String" Layout::File(File::Specification);
    80 1 "Internal Indications, packed" Bit;
    81 1 "Device Storage, buffer fill status" Opaque(3);
    82 1 "Device Profile, functions and indexes" Opaque(0);
    83 1 "Private Registration Object" Opaque(0);
    83 2 "Private Registration Object Descriptor" Opaque(0);
    85 0 "Data Set Prototype" Empty;
    85 1 "Data Set Prototype, with UUID" Opaque(0);
    86 0 "Data Set Descriptor" Empty;
    86 1 "Data Set Descriptor, contents" Opaque(0);
    86 2 "Data Set Descriptor, characteristics" Opaque(1);
    86 3 "Data Set Descriptor, point index attributes" Opaque(0);
    87 0 "Data Set" Empty;
    87 1 "Data Set, present value" Opaque(0);
    88 0 "Data Set Event" Empty;
    88 1 "Data Set Event, snapshot" Opaque(0);
    90 1 "Application Identifier" Opaque(0);
    91 1 "Status of Requested Operation" Opaque(0);
    101 1 "Binary Coded Decimal Integer, small" bare(Number::Bcd(2), Family::Other);
    101 2 "Binary Coded Decimal Integer, medium" bare(Number::Bcd(4), Family::Other);
    101 3 "Binary Coded Decimal Integer, large" bare(Number::Bcd(8), Family::Other);
    102 0 "Unsigned Integer" Empty;
    102 1 "Unsigned Integer, 8-bit" bare(U8, Family::Other);
    110 any "Octet String" Octets;
    111 any "Octet String Event" Octets;
    112 any "Virtual Terminal Output Block" Octets;
    113 any "Virtual Terminal Event Data" Octets;
    114 any "Extended Octet String" Opaque(0);
    115 any "Extended Octet String Event" Opaque(0);
    120 1 "Authentication Challenge" Layout::Authentication(Authentication::Challenge);
    120 2 "Authentication Reply" Layout::Authentication(Authentication::Reply);
    120 3 "Authentication Aggressive Mode Request" Layout::Authentication(Authentication::AggressiveRequest);
    120 4 "Authentication Session Key Status Request" Layout::Authentication(Authentication::KeyStatusRequest);
    120 5 "Authentication Session Key Status" Layout::Authentication(Authentication::KeyStatus);
    120 6 "Authentication Session Key Change" Layout::Authentication(Authentication::KeyChange);
    120 7 "Authentication Error" Layout::Authentication(Authentication::Error);
    120 8 "Authentication User Certificate" Layout::Authentication(Authentication::Certificate);
    120 9 "Authentication Message Authentication Code" Layout::Authentication(Authentication::Mac);
    120 10 "Authentication User Status Change" Layout::Authentication(Authentication::UserStatusChange);
    120 11 "Authentication Update Key Change Request" Layout::Authentication(Authentication::UpdateKeyRequest);
    120 12 "Authentication Update Key Change Reply" Layout::Authentication(Authentication::UpdateKeyReply);
    120 13 "Authentication Update Key Change" Layout::Authentication(Authentication::UpdateKeyChange);
    120 14 "Authentication Update Key Change Signature" Layout::Authentication(Authentication::UpdateKeySignature);
    120 15 "Authentication Update Key Change Confirmation" Layout::Authentication(Authentication::UpdateKeyConfirmation);
    121 0 "Security Statistic" Empty;
    121 1 "Security Statistic, 32-bit with flags" statistic(UNTIMED);
    122 0 "Security Statistic Event" Empty;
    122 1 "Security Statistic Event, 32-bit with flags" statistic(UNTIMED);
    122 2 "Security Statistic Event, 32-bit with flags and time" statistic(Absolute);
}

const fn plain(number: Number, family: Family) -> Fixed {
    Fixed { flags: Flags::None, status: Status::None, association: false, number, family, time: Time::None }
}

const fn flagged(flags: Flags, number: Number, time: Time) -> Layout {
    let family = match flags {
        Counter => Family::Counter,
        AnalogInput => Family::AnalogInput,
        AnalogOutput => Family::AnalogOutput,
        _ => Family::Other,
    };
    Layout::Fixed(Fixed { flags, time, ..plain(number, family) })
}

const fn bare(number: Number, family: Family) -> Layout {
    Layout::Fixed(plain(number, family))
}

/// A command and its status behind it (group 41).
const fn command(number: Number) -> Layout {
    Layout::Fixed(Fixed { status: Status::After, ..plain(number, Family::AnalogOutput) })
}

/// A status and the command (group 43).
const fn commanded(number: Number, time: Time) -> Layout {
    Layout::Fixed(Fixed { status: Status::Before, time, ..plain(number, Family::AnalogOutput) })
}

/// A status with the commanded state (group 13).
const fn state(time: Time) -> Layout {
    Layout::Fixed(Fixed { status: Status::State, time, ..plain(Number::None, Family::Other) })
}

const fn statistic(time: Time) -> Layout {
    Layout::Fixed(Fixed { flags: Counter, association: true, time, ..plain(U32, Family::Counter) })
}
