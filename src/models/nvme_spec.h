/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVM Express 1.4: the numbers and structures of the wire, as far as the model
 * speaks them. Everything is little-endian, as is the only host we run on.
 */
#ifndef RF_MODELS_NVME_SPEC_H
#define RF_MODELS_NVME_SPEC_H

#include <stddef.h>
#include <stdint.h>

/* Controller registers, BAR 0. */
enum nvme_reg {
	NVME_REG_CAP = 0x00,
	NVME_REG_VS = 0x08,
	NVME_REG_INTMS = 0x0c,
	NVME_REG_INTMC = 0x10,
	NVME_REG_CC = 0x14,
	NVME_REG_CSTS = 0x1c,
	NVME_REG_NSSR = 0x20,
	NVME_REG_AQA = 0x24,
	NVME_REG_ASQ = 0x28,
	NVME_REG_ACQ = 0x30,
	NVME_REG_END = 0x38,
	NVME_REG_DOORBELLS = 0x1000,
};

#define NVME_VERSION_1_4      0x00010400u

#define NVME_CAP_CQR	      (1ull << 16)
#define NVME_CAP_TO_SHIFT     24
#define NVME_CAP_CSS_NVM      (1ull << 37)
#define NVME_CAP_CSS_SETS     (1ull << 43) /* one or more I/O command sets, chosen per namespace */
#define NVME_CAP_CSS_ADMIN    (1ull << 44) /* no I/O command set */
#define NVME_CAP_MPSMAX_SHIFT 52

#define NVME_CC_EN	      (1u << 0)
#define NVME_CC_CSS(cc)	      ((cc) >> 4 & 7)
#define NVME_CC_MPS(cc)	      ((cc) >> 7 & 0xf)
#define NVME_CC_AMS(cc)	      ((cc) >> 11 & 7)
#define NVME_CC_SHN(cc)	      ((cc) >> 14 & 3)
#define NVME_CC_IOSQES(cc)    ((cc) >> 16 & 0xf)
#define NVME_CC_IOCQES(cc)    ((cc) >> 20 & 0xf)
#define NVME_CC_WRITABLE      0x00fffff1u
#define NVME_CSS_NVM	      0
#define NVME_CSS_SETS	      6
#define NVME_CSS_ADMIN	      7

#define NVME_CSTS_RDY	      (1u << 0)
#define NVME_CSTS_CFS	      (1u << 1)
#define NVME_CSTS_SHST_MASK   (3u << 2)
#define NVME_CSTS_SHST_DONE   (2u << 2)

#define NVME_AQA_WRITABLE     0x0fff0fffu

/* A submission queue entry. */
struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* 1:0 fused operation, 7:6 PRP or SGL */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "submission queue entry");

#define NVME_FLAGS_FUSE 0x03u
#define NVME_FLAGS_PSDT 0xc0u

/* A completion queue entry. The last dword makes it valid. */
struct nvme_cqe {
	uint32_t result;
	uint32_t rsvd;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0 is the phase */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "completion queue entry");

/* Status: code type, code and "do not retry", as in bits 15:1 of the entry. */
#define NVME_SC(type, code) ((type) << 8 | (code))
#define NVME_SC_DNR	    0x4000u
enum nvme_sc {
	NVME_SC_SUCCESS = 0,
	NVME_SC_INVALID_OPCODE = NVME_SC(0, 0x01),
	NVME_SC_INVALID_FIELD = NVME_SC(0, 0x02),
	NVME_SC_DATA_TRANSFER = NVME_SC(0, 0x04),
	NVME_SC_INTERNAL = NVME_SC(0, 0x06),
	NVME_SC_ABORT_REQUESTED = NVME_SC(0, 0x07),
	NVME_SC_INVALID_NAMESPACE = NVME_SC(0, 0x0b),
	NVME_SC_SEQUENCE = NVME_SC(0, 0x0c),
	NVME_SC_PRP_OFFSET = NVME_SC(0, 0x13),
	NVME_SC_LBA_RANGE = NVME_SC(0, 0x80),
	NVME_SC_CQ_INVALID = NVME_SC(1, 0x00),
	NVME_SC_QID_INVALID = NVME_SC(1, 0x01),
	NVME_SC_QUEUE_SIZE = NVME_SC(1, 0x02),
	NVME_SC_AER_LIMIT = NVME_SC(1, 0x05),
	NVME_SC_VECTOR_INVALID = NVME_SC(1, 0x08),
	NVME_SC_LOG_PAGE = NVME_SC(1, 0x09),
	NVME_SC_QUEUE_DELETION = NVME_SC(1, 0x0c),
	NVME_SC_NOT_SAVEABLE = NVME_SC(1, 0x0d),
	NVME_SC_NOT_CHANGEABLE = NVME_SC(1, 0x0e),
	NVME_SC_COMMAND_SET = NVME_SC(1, 0x2b), /* I/O command set combination rejected */
	NVME_SC_WRITE_FAULT = NVME_SC(2, 0x80),
	NVME_SC_READ_ERROR = NVME_SC(2, 0x81),
	NVME_SC_COMPARE = NVME_SC(2, 0x85),
};

enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
};

enum nvme_io_opcode {
	NVME_IO_FLUSH = 0x00,
	NVME_IO_WRITE = 0x01,
	NVME_IO_READ = 0x02,
	NVME_IO_COMPARE = 0x05,
	NVME_IO_WRITE_ZEROES = 0x08,
	NVME_IO_DSM = 0x09,
};

#define NVME_RW_FUA	 (1u << 30) /* cdw12 */
#define NVME_DSM_DEALLOC (1u << 2) /* cdw11 */
#define NVME_NSID_ALL	 0xffffffffu

struct nvme_dsm_range {
	uint32_t attributes;
	uint32_t blocks;
	uint64_t slba;
};

enum nvme_cns {
	NVME_CNS_NS = 0x00,
	NVME_CNS_CTRL = 0x01,
	NVME_CNS_ACTIVE_NS = 0x02,
	NVME_CNS_NS_DESCRIPTORS = 0x03,
	NVME_CNS_CSI_NS = 0x05,
	NVME_CNS_CSI_CTRL = 0x06,
	NVME_CNS_CSI_ACTIVE_NS = 0x07,
	NVME_CNS_COMMAND_SETS = 0x1c,
};
#define NVME_CSI_NVM 0

enum nvme_feature {
	NVME_FEAT_ARBITRATION = 0x01,
	NVME_FEAT_POWER = 0x02,
	NVME_FEAT_TEMPERATURE = 0x04,
	NVME_FEAT_ERROR_RECOVERY = 0x05,
	NVME_FEAT_WRITE_CACHE = 0x06,
	NVME_FEAT_QUEUES = 0x07,
	NVME_FEAT_IRQ_COALESCING = 0x08,
	NVME_FEAT_IRQ_VECTOR = 0x09,
	NVME_FEAT_ATOMICITY = 0x0a,
	NVME_FEAT_ASYNC_EVENTS = 0x0b,
	NVME_FEAT_COMMAND_SETS = 0x19,
};

enum nvme_log {
	NVME_LOG_ERROR = 0x01,
	NVME_LOG_SMART = 0x02,
	NVME_LOG_FIRMWARE = 0x03,
	NVME_LOG_EFFECTS = 0x05,
};

enum nvme_event_type { NVME_EVENT_ERROR = 0, NVME_EVENT_SMART = 1, NVME_EVENT_TYPES };
#define NVME_ERROR_BAD_DOORBELL	 0x00 /* no such queue */
#define NVME_ERROR_BAD_VALUE	 0x01 /* not a value that doorbell may have */
#define NVME_SMART_TEMPERATURE	 0x01

#define NVME_WARNING_TEMPERATURE (1u << 1) /* SMART critical warning */

struct nvme_power_state {
	uint16_t max_power; /* in 0.01 W */
	uint8_t rsvd2[2];
	uint32_t entry_us;
	uint32_t exit_us;
	uint8_t rsvd12[20];
};

struct nvme_id_ctrl {
	uint16_t vid;
	uint16_t ssvid;
	char sn[20];
	char mn[40];
	char fr[8];
	uint8_t rab;
	uint8_t ieee[3];
	uint8_t cmic;
	uint8_t mdts;
	uint16_t cntlid;
	uint32_t ver;
	uint32_t rtd3r;
	uint32_t rtd3e;
	uint32_t oaes;
	uint32_t ctratt;
	uint8_t rsvd100[11];
	uint8_t cntrltype;
	uint8_t rsvd112[144];
	uint16_t oacs;
	uint8_t acl;
	uint8_t aerl;
	uint8_t frmw;
	uint8_t lpa;
	uint8_t elpe;
	uint8_t npss;
	uint8_t avscc;
	uint8_t apsta;
	uint16_t wctemp;
	uint16_t cctemp;
	uint8_t rsvd270[10];
	uint64_t tnvmcap[2];
	uint64_t unvmcap[2];
	uint8_t rsvd312[200];
	uint8_t sqes;
	uint8_t cqes;
	uint16_t maxcmd;
	uint32_t nn;
	uint16_t oncs;
	uint16_t fuses;
	uint8_t fna;
	uint8_t vwc;
	uint16_t awun;
	uint16_t awupf;
	uint8_t nvscc;
	uint8_t nwpc;
	uint16_t acwu;
	uint16_t rsvd534;
	uint32_t sgls;
	uint8_t rsvd540[228];
	char subnqn[256];
	uint8_t rsvd1024[1024];
	struct nvme_power_state psd[32];
	uint8_t vendor[1024];
};
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, cntrltype) == 111, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, oacs) == 256, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, tnvmcap) == 280, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, sgls) == 536, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, subnqn) == 768, "identify controller");
_Static_assert(offsetof(struct nvme_id_ctrl, psd) == 2048, "identify controller");

#define NVME_FRMW_ONE_FIXED_SLOT 0x03
#define NVME_LPA_EFFECTS	 0x02
#define NVME_LPA_EXTENDED	 0x04
#define NVME_ONCS_COMPARE	 0x01
#define NVME_ONCS_DSM		 0x04
#define NVME_ONCS_WRITE_ZEROES	 0x08
#define NVME_ONCS_SELECT	 0x10
#define NVME_VWC_PRESENT	 0x01
#define NVME_VWC_FLUSH_ALL	 0x06

struct nvme_id_ns {
	uint64_t nsze;
	uint64_t ncap;
	uint64_t nuse;
	uint8_t nsfeat;
	uint8_t nlbaf;
	uint8_t flbas;
	uint8_t mc;
	uint8_t dpc;
	uint8_t dps;
	uint8_t nmic;
	uint8_t rescap;
	uint8_t fpi;
	uint8_t dlfeat;
	uint8_t rsvd34[14];
	uint64_t nvmcap[2];
	uint8_t rsvd64[40];
	uint8_t nguid[16];
	uint8_t eui64[8];
	struct {
		uint16_t ms;
		uint8_t ds;
		uint8_t rp;
	} lbaf[16];
	uint8_t rsvd192[3904];
};
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, nvmcap) == 48, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "identify namespace");
_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "identify namespace");

#define NVME_DLFEAT_ZEROES     0x01 /* deallocated blocks read as zeroes */
#define NVME_DLFEAT_WZ_DEALLOC 0x08 /* Write Zeroes may deallocate */

struct nvme_error_entry {
	uint64_t count;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status;
	uint16_t location;
	uint64_t lba;
	uint32_t nsid;
	uint8_t rsvd28[36];
};
_Static_assert(sizeof(struct nvme_error_entry) == 64, "error log");
#define NVME_ERROR_LOCATION_NONE 0xffffu

struct nvme_smart {
	uint8_t critical_warning;
	uint8_t temperature[2]; /* kelvin, not aligned */
	uint8_t spare;
	uint8_t spare_threshold;
	uint8_t used;
	uint8_t rsvd6[26];
	uint64_t units_read[2]; /* thousands of 512 bytes, rounded up */
	uint64_t units_written[2];
	uint64_t host_reads[2];
	uint64_t host_writes[2];
	uint64_t busy_minutes[2];
	uint64_t power_cycles[2];
	uint64_t power_on_hours[2];
	uint64_t unsafe_shutdowns[2];
	uint64_t media_errors[2];
	uint64_t error_entries[2];
	uint32_t warning_minutes;
	uint32_t critical_minutes;
	uint8_t rsvd200[312];
};
_Static_assert(sizeof(struct nvme_smart) == 512, "SMART log");
_Static_assert(offsetof(struct nvme_smart, units_read) == 32, "SMART log");

struct nvme_firmware_log {
	uint8_t active;
	uint8_t rsvd1[7];
	char slots[7][8];
	uint8_t rsvd64[448];
};
_Static_assert(sizeof(struct nvme_firmware_log) == 512, "firmware slot log");

struct nvme_effects_log {
	uint32_t admin[256];
	uint32_t io[256];
	uint8_t rsvd2048[2048];
};
_Static_assert(sizeof(struct nvme_effects_log) == 4096, "command effects log");
#define NVME_EFFECT_SUPPORTED (1u << 0)
#define NVME_EFFECT_CONTENT   (1u << 1) /* changes logical blocks */

#endif
