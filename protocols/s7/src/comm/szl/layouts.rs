//! Layouts of system status lists apart from 0x0131: where each field of an entry stands.
//!
//! Names are Wireshark's; the lists are described in Siemens' manual "System Software for S7-300/400, System and Standard
//! Functions".

use super::{Layout, Pick};
use ot_protocol::{FieldDoc, FieldKind};

super::layout_table! { GENERAL GENERAL_DOCS
    (exact 0x0000) "0x0000" {
        0 2 Number 0x00 "s7comm.szl.0000.0000.szl_id"
    }
    (list 0x13) "0x0013" {
        0 2 Number 0x00 "s7comm.szl.0013.0000.index"
        2 2 Number 0x00 "s7comm.szl.0013.0000.code"
        4 4 Number 0x00 "s7comm.szl.0013.0000.size"
        8 2 Number 0x00 "s7comm.szl.0013.0000.mode"
        8 2 Bool 0x01 "s7comm.szl.0013.0000.mode.vol_mem"
        8 2 Bool 0x02 "s7comm.szl.0013.0000.mode.nvol_mem"
        8 2 Bool 0x04 "s7comm.szl.0013.0000.mode.mixed_mem"
        8 2 Bool 0x08 "s7comm.szl.0013.0000.mode.cd_sep"
        8 2 Bool 0x10 "s7comm.szl.0013.0000.mode.cd_tog"
        10 2 Number 0x00 "s7comm.szl.0013.0000.granu"
        12 4 Number 0x00 "s7comm.szl.0013.0000.ber1"
        16 4 Number 0x00 "s7comm.szl.0013.0000.belegt1"
        20 4 Number 0x00 "s7comm.szl.0013.0000.block1"
        24 4 Number 0x00 "s7comm.szl.0013.0000.ber2"
        28 4 Number 0x00 "s7comm.szl.0013.0000.belegt2"
        32 4 Number 0x00 "s7comm.szl.0013.0000.block2"
    }
    (list 0x1C entry 0x0001) "0x001C, entry 0x0001" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 24 Text 0x00 "s7comm.szl.001c.0001.name"
        26 8 Bytes 0x00 "s7comm.szl.001c.000x.res"
    }
    (list 0x1C entry 0x0002) "0x001C, entry 0x0002" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 24 Text 0x00 "s7comm.szl.001c.0002.name"
        26 8 Bytes 0x00 "s7comm.szl.001c.000x.res"
    }
    (list 0x1C entry 0x0003) "0x001C, entry 0x0003" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 32 Text 0x00 "s7comm.szl.001c.0003.tag"
    }
    (list 0x1C entry 0x0004) "0x001C, entry 0x0004" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 26 Text 0x00 "s7comm.szl.001c.0004.copyright"
        28 6 Bytes 0x00 "s7comm.szl.001c.000x.res"
    }
    (list 0x1C entry 0x0005) "0x001C, entry 0x0005" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 24 Text 0x00 "s7comm.szl.001c.0005.serialn"
        26 8 Bytes 0x00 "s7comm.szl.001c.000x.res"
    }
    (list 0x1C entry 0x0007) "0x001C, entry 0x0007" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 32 Text 0x00 "s7comm.szl.001c.0007.cputypname"
    }
    (list 0x1C entry 0x0008) "0x001C, entry 0x0008" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 32 Text 0x00 "s7comm.szl.001c.0008.snmcmmc"
    }
    (list 0x1C entry 0x0009) "0x001C, entry 0x0009" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 2 Number 0x00 "s7comm.szl.001c.0009.manufacturer_id"
        4 2 Number 0x00 "s7comm.szl.001c.0009.profile_id"
        6 2 Number 0x00 "s7comm.szl.001c.0009.profile_spec_typ"
        8 26 Bytes 0x00 "s7comm.szl.001c.000x.res"
    }
    (list 0x1C entry 0x000a) "0x001C, entry 0x000a" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 26 Text 0x00 "s7comm.szl.001c.000a.oem_copyright_string"
        28 2 Number 0x00 "s7comm.szl.001c.000a.oem_id"
        30 4 Number 0x00 "s7comm.szl.001c.000a.oem_add_id"
    }
    (list 0x1C entry 0x000b) "0x001C, entry 0x000b" {
        0 2 Number 0x00 "s7comm.szl.001c.000x.index"
        2 32 Text 0x00 "s7comm.szl.001c.000b.loc_id"
    }
    (list 0x91) "0x0091" {
        0 2 Number 0x00 "s7comm.szl.0091.0000.adr1"
        2 2 Number 0x00 "s7comm.szl.0091.0000.adr2"
        4 2 Number 0x00 "s7comm.szl.0091.0000.logadr"
        6 2 Number 0x00 "s7comm.szl.0091.0000.exptype"
        8 2 Number 0x00 "s7comm.szl.0091.0000.acttype"
        10 2 Number 0x00 "s7comm.szl.0091.0000.res1"
        12 2 Number 0x00 "s7comm.szl.0091.0000.eastat"
        12 2 Bool 0x01 "s7comm.szl.0091.0000.eastat.moderror"
        12 2 Bool 0x02 "s7comm.szl.0091.0000.eastat.modexists"
        12 2 Bool 0x04 "s7comm.szl.0091.0000.eastat.modnotav"
        12 2 Bool 0x08 "s7comm.szl.0091.0000.eastat.moddisabl"
        12 2 Bool 0x10 "s7comm.szl.0091.0000.eastat.staterr"
        12 2 Bool 0x20 "s7comm.szl.0091.0000.eastat.cirbusy"
        12 2 Bool 0x40 "s7comm.szl.0091.0000.eastat.res"
        12 2 Bool 0x80 "s7comm.szl.0091.0000.eastat.modlocseg"
        12 2 Number 0xFF00 "s7comm.szl.0091.0000.eastat.dataid"
        14 2 Number 0x00 "s7comm.szl.0091.0000.berbgbr"
        14 2 Number 0x07 "s7comm.szl.0091.0000.berbgbr.width"
        14 2 Bool 0x08 "s7comm.szl.0091.0000.berbgbr.bit3_res"
        14 2 Number 0x70 "s7comm.szl.0091.0000.berbgbr.areaid"
        14 2 Bool 0x80 "s7comm.szl.0091.0000.berbgbr.bit7_res"
    }
    (exact 0x0D91) "0x0091 (0x0D91)" {
        0 2 Number 0x00 "s7comm.szl.0091.0000.adr1"
        2 2 Number 0x00 "s7comm.szl.0091.0000.adr2"
        4 2 Number 0x00 "s7comm.szl.0091.0000.logadr"
        6 2 Number 0x00 "s7comm.szl.0091.0000.exptype"
        8 2 Number 0x00 "s7comm.szl.0091.0000.acttype"
        10 2 Number 0x00 "s7comm.szl.0091.0000.res1_0d"
        12 2 Number 0x00 "s7comm.szl.0091.0000.eastat"
        12 2 Bool 0x01 "s7comm.szl.0091.0000.eastat.moderror"
        12 2 Bool 0x02 "s7comm.szl.0091.0000.eastat.modexists"
        12 2 Bool 0x04 "s7comm.szl.0091.0000.eastat.modnotav"
        12 2 Bool 0x08 "s7comm.szl.0091.0000.eastat.moddisabl"
        12 2 Bool 0x10 "s7comm.szl.0091.0000.eastat.staterr"
        12 2 Bool 0x20 "s7comm.szl.0091.0000.eastat.cirbusy"
        12 2 Bool 0x40 "s7comm.szl.0091.0000.eastat.res"
        12 2 Bool 0x80 "s7comm.szl.0091.0000.eastat.modlocseg"
        12 2 Number 0xFF00 "s7comm.szl.0091.0000.eastat.dataid"
        14 2 Number 0x00 "s7comm.szl.0091.0000.berbgbr"
        14 2 Number 0x07 "s7comm.szl.0091.0000.berbgbr.width"
        14 2 Bool 0x08 "s7comm.szl.0091.0000.berbgbr.bit3_res"
        14 2 Number 0x70 "s7comm.szl.0091.0000.berbgbr.areaid"
        14 2 Bool 0x80 "s7comm.szl.0091.0000.berbgbr.bit7_res"
    }
    (index 0x0132 0x0001) "0x0132, index 0x0001" {
        0 2 Number 0x00 "s7comm.szl.0132.0001.index"
        2 2 Number 0x00 "s7comm.szl.0132.0001.res_pg"
        4 2 Number 0x00 "s7comm.szl.0132.0001.res_os"
        6 2 Number 0x00 "s7comm.szl.0132.0001.u_pg"
        8 2 Number 0x00 "s7comm.szl.0132.0001.u_os"
        10 2 Number 0x00 "s7comm.szl.0132.0001.proj"
        12 2 Number 0x00 "s7comm.szl.0132.0001.auf"
        14 2 Number 0x00 "s7comm.szl.0132.0001.free"
        16 2 Number 0x00 "s7comm.szl.0132.0001.used"
        18 2 Number 0x00 "s7comm.szl.0132.0001.last"
        20 20 Bytes 0x00 "s7comm.szl.0132.0001.res"
    }
    (index 0x0132 0x0002) "0x0132, index 0x0002" {
        0 2 Number 0x00 "s7comm.szl.0132.0002.index"
        2 2 Number 0x00 "s7comm.szl.0132.0002.anz"
        4 36 Bytes 0x00 "s7comm.szl.0132.0002.res"
    }
    (index 0x0132 0x0004) "0x0132, index 0x0004" {
        0 2 Number 0x00 "s7comm.szl.0132.0004.index"
        2 2 Number 0x00 "s7comm.szl.0132.0004.key"
        4 2 Number 0x00 "s7comm.szl.0132.0004.param"
        6 2 Number 0x00 "s7comm.szl.0132.0004.real"
        8 2 Number 0x00 "s7comm.szl.0132.0004.bart_sch"
        10 2 Number 0x00 "s7comm.szl.0132.0004.crst_wrst"
        12 2 Number 0x00 "s7comm.szl.0132.0004.ken_f"
        14 2 Number 0x00 "s7comm.szl.0132.0004.ken_rel"
        16 2 Number 0x00 "s7comm.szl.0132.0004.ken_ver1_hw" little
        18 2 Number 0x00 "s7comm.szl.0132.0004.ken_ver2_hw" little
        20 2 Number 0x00 "s7comm.szl.0132.0004.ken_ver1_awp" little
        22 2 Number 0x00 "s7comm.szl.0132.0004.ken_ver2_awp" little
        24 16 Bytes 0x00 "s7comm.szl.0132.0004.res"
    }
    (index 0x0132 0x0005) "0x0132, index 0x0005" {
        0 2 Number 0x00 "s7comm.szl.0132.0005.index"
        2 2 Number 0x00 "s7comm.szl.0132.0005.erw"
        4 2 Number 0x00 "s7comm.szl.0132.0005.send"
        6 2 Number 0x00 "s7comm.szl.0132.0005.moeg"
        8 2 Number 0x00 "s7comm.szl.0132.0005.ltmerz"
        10 0 Bytes 0x00 "s7comm.szl.0132.0005.res"
    }
    (index 0x0132 0x0008) "0x0132, index 0x0008" {
        0 2 Number 0x00 "s7comm.szl.0132.0008.index"
        2 2 Number 0x00 "s7comm.szl.0132.0008.zykl"
        4 2 Number 0x00 "s7comm.szl.0132.0008.korr"
        6 2 Number 0x00 "s7comm.szl.0132.0008.clock0"
        8 2 Number 0x00 "s7comm.szl.0132.0008.clock1"
        10 2 Number 0x00 "s7comm.szl.0132.0008.clock2"
        12 2 Number 0x00 "s7comm.szl.0132.0008.clock3"
        14 2 Number 0x00 "s7comm.szl.0132.0008.clock4"
        16 2 Number 0x00 "s7comm.szl.0132.0008.clock5"
        18 2 Number 0x00 "s7comm.szl.0132.0008.clock6"
        20 2 Number 0x00 "s7comm.szl.0132.0008.clock7"
        22 8 Bytes 0x00 "s7comm.szl.0132.0008.time"
        30 10 Bytes 0x00 "s7comm.szl.0132.0008.res"
    }
    (index 0x0132 0x000b) "0x0132, index 0x000b" {
        0 2 Number 0x00 "s7comm.szl.0132.000b.index"
        2 1 Number 0x00 "s7comm.szl.0132.000b.bszl_0"
        3 1 Number 0x00 "s7comm.szl.0132.000b.bszl_1"
        4 1 Number 0x00 "s7comm.szl.0132.000b.bszu_0"
        5 1 Number 0x00 "s7comm.szl.0132.000b.bszu_1"
        6 4 Number 0x00 "s7comm.szl.0132.000b.clock0"
        10 4 Number 0x00 "s7comm.szl.0132.000b.clock1"
        14 4 Number 0x00 "s7comm.szl.0132.000b.clock2"
        18 4 Number 0x00 "s7comm.szl.0132.000b.clock3"
        22 4 Number 0x00 "s7comm.szl.0132.000b.clock4"
        26 4 Number 0x00 "s7comm.szl.0132.000b.clock5"
        30 4 Number 0x00 "s7comm.szl.0132.000b.clock6"
        34 4 Number 0x00 "s7comm.szl.0132.000b.clock7"
        38 2 Bytes 0x00 "s7comm.szl.0132.000b.res"
    }
    (index 0x0132 0x000c) "0x0132, index 0x000c" {
        0 2 Number 0x00 "s7comm.szl.0132.000c.index"
        2 1 Number 0x00 "s7comm.szl.0132.000c.bszl_0"
        3 1 Number 0x00 "s7comm.szl.0132.000c.bszl_1"
        4 1 Number 0x00 "s7comm.szl.0132.000c.bszu_0"
        5 1 Number 0x00 "s7comm.szl.0132.000c.bszu_1"
        6 4 Number 0x00 "s7comm.szl.0132.000c.clock8"
        10 4 Number 0x00 "s7comm.szl.0132.000c.clock9"
        14 4 Number 0x00 "s7comm.szl.0132.000c.clock10"
        18 4 Number 0x00 "s7comm.szl.0132.000c.clock11"
        22 4 Number 0x00 "s7comm.szl.0132.000c.clock12"
        26 4 Number 0x00 "s7comm.szl.0132.000c.clock13"
        30 4 Number 0x00 "s7comm.szl.0132.000c.clock14"
        34 4 Number 0x00 "s7comm.szl.0132.000c.clock15"
        38 0 Bytes 0x00 "s7comm.szl.0132.000c.res"
    }
    (list 0x24) "0x0424" {
        0 2 Number 0x00 "s7comm.szl.0424.0000.ereig"
        2 1 Number 0x00 "s7comm.szl.0424.0000.ae"
        3 1 Number 0x00 "s7comm.szl.0424.0000.bzu_id"
        3 1 Number 0x0F "s7comm.szl.0424.0000.bzu_id.req"
        3 1 Number 0xF0 "s7comm.szl.0424.0000.bzu_id.pre"
        4 4 Bytes 0x00 "s7comm.szl.0424.0000.res"
        8 1 Number 0x00 "s7comm.szl.0424.0000.anlinfo1"
        9 1 Number 0x00 "s7comm.szl.0424.0000.anlinfo2"
        10 1 Number 0x00 "s7comm.szl.0424.0000.anlinfo3"
        11 1 Number 0x00 "s7comm.szl.0424.0000.anlinfo4"
        12 8 Bytes 0x00 "s7comm.szl.0424.0000.time"
    }
    (list 0x11) "0x..11" {
        0 2 Number 0x00 "s7comm.szl.xy11.0001.index"
        2 20 Text 0x00 "s7comm.szl.xy11.0001.anz"
        22 2 Number 0x00 "s7comm.szl.xy11.0001.bgtyp"
        24 2 Number 0x00 "s7comm.szl.xy11.0001.ausbg"
        26 2 Number 0x00 "s7comm.szl.xy11.0001.ausbe"
    }
    (list 0x12) "0x..12" {
        0 2 Number 0x00 "s7comm.szl.xy12.0x00.charac"
    }
    (list 0x14) "0x..14" {
        0 2 Number 0x00 "s7comm.szl.xy14.000x.index"
        2 2 Number 0x00 "s7comm.szl.xy14.000x.code"
        4 2 Number 0x00 "s7comm.szl.xy14.000x.quantity"
        6 2 Number 0x00 "s7comm.szl.xy14.000x.reman"
    }
    (list 0x15) "0x..15" {
        0 2 Number 0x00 "s7comm.szl.xy15.000x.index"
        2 2 Number 0x00 "s7comm.szl.xy15.000x.maxanz"
        4 2 Number 0x00 "s7comm.szl.xy15.000x.maxlng"
        6 4 Number 0x00 "s7comm.szl.xy15.000x.maxabl"
    }
    (list 0x22) "0x..22" {
        0 20 Bytes 0x00 "s7comm.szl.xy22.00xx.info"
        20 2 Number 0x00 "s7comm.szl.xy22.00xx.al1"
        20 2 Bool 0x01 "s7comm.szl.xy22.00xx.al1.evpd"
        20 2 Bool 0x02 "s7comm.szl.xy22.00xx.al1.iel"
        20 2 Bool 0x04 "s7comm.szl.xy22.00xx.al1.isia"
        20 2 Bool 0x10 "s7comm.szl.xy22.00xx.al1.ioil"
        20 2 Bool 0x20 "s7comm.szl.xy22.00xx.al1.ioilbt"
        20 2 Bool 0x40 "s7comm.szl.xy22.00xx.al1.eidbl"
        22 2 Number 0x00 "s7comm.szl.xy22.00xx.al2"
        22 2 Bool 0x01 "s7comm.szl.xy22.00xx.al2.lis"
        22 2 Bool 0x02 "s7comm.szl.xy22.00xx.al2.giee"
        22 2 Bool 0x04 "s7comm.szl.xy22.00xx.al2.gism"
        22 2 Bool 0x08 "s7comm.szl.xy22.00xx.al2.iod"
        24 4 Number 0x00 "s7comm.szl.xy22.00xx.al3"
    }
    (list 0x74) "0x..74" {
        0 2 Number 0x00 "s7comm.szl.xy74.0000.cpu_led_id"
        0 2 Number 0x700 "s7comm.szl.xy74.0000.cpu_led_id.rackno"
        0 2 Number 0x800 "s7comm.szl.xy74.0000.cpu_led_id.cputype"
        0 2 Number 0xFF "s7comm.szl.xy74.0000.cpu_led_id.id"
        2 1 Number 0x00 "s7comm.szl.xy74.0000.led_on"
        3 1 Number 0x00 "s7comm.szl.xy74.0000.led_blink"
    }
}
