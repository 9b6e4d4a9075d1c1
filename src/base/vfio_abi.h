/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire format of /dev/vfio: ioctl numbers, structures and flags of Linux
 * 6.12, under the names every VFIO program knows. Written down here because
 * distributions' headers lag behind; a test compares the two where both have a
 * name, so never include <linux/vfio.h> beside this.
 *
 * Only what vfio-pci, type1 and the group interface use. Layouts are the same
 * for 32- and 64-bit programs.
 */
#ifndef RF_BASE_VFIO_ABI_H
#define RF_BASE_VFIO_ABI_H

#include <stddef.h>

#include <linux/ioctl.h>
#include <linux/types.h>

#define VFIO_API_VERSION 0

#define VFIO_TYPE	 ';'
#define VFIO_BASE	 100
#define VFIO_NR(n)	 _IO(VFIO_TYPE, VFIO_BASE + (n))

/* Containers; the numbers from 12 on mean other things on a device. */
#define VFIO_GET_API_VERSION   VFIO_NR(0)
#define VFIO_CHECK_EXTENSION   VFIO_NR(1)
#define VFIO_SET_IOMMU	       VFIO_NR(2)
#define VFIO_IOMMU_GET_INFO    VFIO_NR(12)
#define VFIO_IOMMU_MAP_DMA     VFIO_NR(13)
#define VFIO_IOMMU_UNMAP_DMA   VFIO_NR(14)
#define VFIO_IOMMU_ENABLE      VFIO_NR(15)
#define VFIO_IOMMU_DISABLE     VFIO_NR(16)
#define VFIO_IOMMU_DIRTY_PAGES VFIO_NR(17)

/* Groups. */
#define VFIO_GROUP_GET_STATUS	   VFIO_NR(3)
#define VFIO_GROUP_SET_CONTAINER   VFIO_NR(4)
#define VFIO_GROUP_UNSET_CONTAINER VFIO_NR(5)
#define VFIO_GROUP_GET_DEVICE_FD   VFIO_NR(6)

/* Devices. */
#define VFIO_DEVICE_GET_INFO		   VFIO_NR(7)
#define VFIO_DEVICE_GET_REGION_INFO	   VFIO_NR(8)
#define VFIO_DEVICE_GET_IRQ_INFO	   VFIO_NR(9)
#define VFIO_DEVICE_SET_IRQS		   VFIO_NR(10)
#define VFIO_DEVICE_RESET		   VFIO_NR(11)
#define VFIO_DEVICE_GET_PCI_HOT_RESET_INFO VFIO_NR(12)
#define VFIO_DEVICE_PCI_HOT_RESET	   VFIO_NR(13)
#define VFIO_DEVICE_QUERY_GFX_PLANE	   VFIO_NR(14)
#define VFIO_DEVICE_GET_GFX_DMABUF	   VFIO_NR(15)
#define VFIO_DEVICE_IOEVENTFD		   VFIO_NR(16)
#define VFIO_DEVICE_FEATURE		   VFIO_NR(17)
#define VFIO_DEVICE_BIND_IOMMUFD	   VFIO_NR(18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT	   VFIO_NR(19)
#define VFIO_DEVICE_DETACH_IOMMUFD_PT	   VFIO_NR(20)

/* SET_IOMMU and CHECK_EXTENSION. */
#define VFIO_TYPE1_IOMMU	 1
#define VFIO_SPAPR_TCE_IOMMU	 2
#define VFIO_TYPE1v2_IOMMU	 3
#define VFIO_DMA_CC_IOMMU	 4
#define VFIO_EEH		 5
#define VFIO_TYPE1_NESTING_IOMMU 6
#define VFIO_SPAPR_TCE_v2_IOMMU	 7
#define VFIO_NOIOMMU_IOMMU	 8
#define VFIO_UNMAP_ALL		 9
#define VFIO_UPDATE_VADDR	 10

/* Every capability of an INFO ioctl's chain begins with this. */
struct vfio_info_cap_header {
	__u16 id;
	__u16 version;
	__u32 next; /* from the start of the INFO structure; 0 ends the chain */
};

struct vfio_iommu_type1_info {
	__u32 argsz;
	__u32 flags;
	__u64 iova_pgsizes;
	__u32 cap_offset;
	__u32 pad;
};
#define VFIO_IOMMU_INFO_PGSIZES		     (1 << 0)
#define VFIO_IOMMU_INFO_CAPS		     (1 << 1)

#define VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE 1
struct vfio_iova_range {
	__u64 start;
	__u64 end; /* inclusive */
};
struct vfio_iommu_type1_info_cap_iova_range {
	struct vfio_info_cap_header header;
	__u32 nr_iovas;
	__u32 reserved;
	struct vfio_iova_range iova_ranges[];
};

#define VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION 2
struct vfio_iommu_type1_info_cap_migration {
	struct vfio_info_cap_header header;
	__u32 flags;
	__u64 pgsize_bitmap;
	__u64 max_dirty_bitmap_size;
};

#define VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL 3
struct vfio_iommu_type1_info_dma_avail {
	struct vfio_info_cap_header header;
	__u32 avail;
};

struct vfio_iommu_type1_dma_map {
	__u32 argsz;
	__u32 flags;
	__u64 vaddr;
	__u64 iova;
	__u64 size;
};
#define VFIO_DMA_MAP_FLAG_READ	(1 << 0)
#define VFIO_DMA_MAP_FLAG_WRITE (1 << 1)
#define VFIO_DMA_MAP_FLAG_VADDR (1 << 2)

struct vfio_bitmap {
	__u64 pgsize;
	__u64 size; /* bytes */
	__u64 *data; /* one bit a page, in the caller's memory */
};

struct vfio_iommu_type1_dma_unmap {
	__u32 argsz;
	__u32 flags;
	__u64 iova;
	__u64 size;
	__u8 data[];
};
#define VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP (1 << 0)
#define VFIO_DMA_UNMAP_FLAG_ALL		     (1 << 1)
#define VFIO_DMA_UNMAP_FLAG_VADDR	     (1 << 2)

struct vfio_iommu_type1_dirty_bitmap {
	__u32 argsz;
	__u32 flags;
	__u8 data[];
};
#define VFIO_IOMMU_DIRTY_PAGES_FLAG_START      (1 << 0)
#define VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP       (1 << 1)
#define VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP (1 << 2)

struct vfio_iommu_type1_dirty_bitmap_get {
	__u64 iova;
	__u64 size;
	struct vfio_bitmap bitmap;
};

struct vfio_group_status {
	__u32 argsz;
	__u32 flags;
};
#define VFIO_GROUP_FLAGS_VIABLE	       (1 << 0)
#define VFIO_GROUP_FLAGS_CONTAINER_SET (1 << 1)

struct vfio_device_info {
	__u32 argsz;
	__u32 flags;
	__u32 num_regions;
	__u32 num_irqs;
	__u32 cap_offset;
	__u32 pad;
};

#define VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP 5
struct vfio_device_info_cap_pci_atomic_comp {
	struct vfio_info_cap_header header;
	__u32 flags;
};

#define VFIO_PCI_ATOMIC_COMP32	(1 << 0)
#define VFIO_PCI_ATOMIC_COMP64	(1 << 1)
#define VFIO_PCI_ATOMIC_COMP128 (1 << 2)
#define VFIO_DEVICE_FLAGS_RESET (1 << 0)
#define VFIO_DEVICE_FLAGS_PCI	(1 << 1)
#define VFIO_DEVICE_FLAGS_CAPS	(1 << 7)

struct vfio_region_info {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 cap_offset;
	__u64 size;
	__u64 offset;
};
#define VFIO_REGION_INFO_FLAG_READ	 (1 << 0)
#define VFIO_REGION_INFO_FLAG_WRITE	 (1 << 1)
#define VFIO_REGION_INFO_FLAG_MMAP	 (1 << 2)
#define VFIO_REGION_INFO_FLAG_CAPS	 (1 << 3)

#define VFIO_REGION_INFO_CAP_SPARSE_MMAP 1
struct vfio_region_sparse_mmap_area {
	__u64 offset;
	__u64 size;
};
struct vfio_region_info_cap_sparse_mmap {
	struct vfio_info_cap_header header;
	__u32 nr_areas;
	__u32 reserved;
	struct vfio_region_sparse_mmap_area areas[];
};

#define VFIO_REGION_INFO_CAP_TYPE	   2
#define VFIO_REGION_INFO_CAP_MSIX_MAPPABLE 3

enum {
	VFIO_PCI_BAR0_REGION_INDEX,
	VFIO_PCI_BAR1_REGION_INDEX,
	VFIO_PCI_BAR2_REGION_INDEX,
	VFIO_PCI_BAR3_REGION_INDEX,
	VFIO_PCI_BAR4_REGION_INDEX,
	VFIO_PCI_BAR5_REGION_INDEX,
	VFIO_PCI_ROM_REGION_INDEX,
	VFIO_PCI_CONFIG_REGION_INDEX,
	VFIO_PCI_VGA_REGION_INDEX,
	VFIO_PCI_NUM_REGIONS
};

/* Programs mmap BAR0 at offset 0 without asking: the layout is ABI in practice. */
#define VFIO_PCI_OFFSET_SHIFT 40

struct vfio_irq_info {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 count;
};
#define VFIO_IRQ_INFO_EVENTFD	 (1 << 0)
#define VFIO_IRQ_INFO_MASKABLE	 (1 << 1)
#define VFIO_IRQ_INFO_AUTOMASKED (1 << 2)
#define VFIO_IRQ_INFO_NORESIZE	 (1 << 3)

enum {
	VFIO_PCI_INTX_IRQ_INDEX,
	VFIO_PCI_MSI_IRQ_INDEX,
	VFIO_PCI_MSIX_IRQ_INDEX,
	VFIO_PCI_ERR_IRQ_INDEX,
	VFIO_PCI_REQ_IRQ_INDEX,
	VFIO_PCI_NUM_IRQS
};

struct vfio_irq_set {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 start;
	__u32 count;
	__u8 data[];
};
#define VFIO_IRQ_SET_DATA_NONE	    (1 << 0)
#define VFIO_IRQ_SET_DATA_BOOL	    (1 << 1)
#define VFIO_IRQ_SET_DATA_EVENTFD   (1 << 2)
#define VFIO_IRQ_SET_ACTION_MASK    (1 << 3)
#define VFIO_IRQ_SET_ACTION_UNMASK  (1 << 4)
#define VFIO_IRQ_SET_ACTION_TRIGGER (1 << 5)
#define VFIO_IRQ_SET_DATA_TYPE_MASK \
	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD)
#define VFIO_IRQ_SET_ACTION_TYPE_MASK \
	(VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER)

struct vfio_pci_dependent_device {
	union {
		__u32 group_id;
		__u32 devid;
	};
	__u16 segment;
	__u8 bus;
	__u8 devfn;
};

#define VFIO_PCI_DEVID_OWNED	 0
#define VFIO_PCI_DEVID_NOT_OWNED -1

struct vfio_pci_hot_reset_info {
	__u32 argsz;
	__u32 flags;
	__u32 count;
	struct vfio_pci_dependent_device devices[];
};
#define VFIO_PCI_HOT_RESET_FLAG_DEV_ID	     (1 << 0)
#define VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED (1 << 1)

struct vfio_pci_hot_reset {
	__u32 argsz;
	__u32 flags;
	__u32 count;
	__s32 group_fds[];
};

struct vfio_device_ioeventfd {
	__u32 argsz;
	__u32 flags;
	__u64 offset;
	__u64 data;
	__s32 fd;
	__u32 reserved;
};
#define VFIO_DEVICE_IOEVENTFD_8		(1 << 0)
#define VFIO_DEVICE_IOEVENTFD_16	(1 << 1)
#define VFIO_DEVICE_IOEVENTFD_32	(1 << 2)
#define VFIO_DEVICE_IOEVENTFD_64	(1 << 3)
#define VFIO_DEVICE_IOEVENTFD_SIZE_MASK 0xf

struct vfio_device_feature {
	__u32 argsz;
	__u32 flags;
	__u8 data[];
};
#define VFIO_DEVICE_FEATURE_MASK			0xffff
#define VFIO_DEVICE_FEATURE_GET				(1 << 16)
#define VFIO_DEVICE_FEATURE_SET				(1 << 17)
#define VFIO_DEVICE_FEATURE_PROBE			(1 << 18)

#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY		3
#define VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP 4
#define VFIO_DEVICE_FEATURE_LOW_POWER_EXIT		5

struct vfio_device_low_power_entry_with_wakeup {
	__s32 wakeup_eventfd;
	__u32 reserved;
};

struct vfio_device_bind_iommufd {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};

struct vfio_device_attach_iommufd_pt {
	__u32 argsz;
	__u32 flags;
	__u32 pt_id;
};

struct vfio_device_detach_iommufd_pt {
	__u32 argsz;
	__u32 flags;
};

#define ABI_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define ABI_AT(type, member, offset) \
	_Static_assert(offsetof(struct type, member) == (offset), "offset of " #member)

ABI_SIZE(vfio_info_cap_header, 8);
ABI_SIZE(vfio_iommu_type1_info, 24);
ABI_AT(vfio_iommu_type1_info, iova_pgsizes, 8);
ABI_AT(vfio_iommu_type1_info, cap_offset, 16);
ABI_SIZE(vfio_iova_range, 16);
ABI_SIZE(vfio_iommu_type1_info_cap_iova_range, 16);
ABI_AT(vfio_iommu_type1_info_cap_iova_range, iova_ranges, 16);
ABI_SIZE(vfio_iommu_type1_info_cap_migration, 32);
ABI_AT(vfio_iommu_type1_info_cap_migration, pgsize_bitmap, 16);
ABI_SIZE(vfio_iommu_type1_info_dma_avail, 12);
ABI_SIZE(vfio_iommu_type1_dma_map, 32);
ABI_AT(vfio_iommu_type1_dma_map, size, 24);
ABI_SIZE(vfio_bitmap, 24);
ABI_SIZE(vfio_iommu_type1_dma_unmap, 24);
ABI_AT(vfio_iommu_type1_dma_unmap, data, 24);
ABI_SIZE(vfio_iommu_type1_dirty_bitmap, 8);
ABI_SIZE(vfio_iommu_type1_dirty_bitmap_get, 40);
ABI_SIZE(vfio_group_status, 8);
ABI_SIZE(vfio_device_info, 24);
ABI_AT(vfio_device_info, cap_offset, 16);
ABI_SIZE(vfio_region_info, 32);
ABI_AT(vfio_region_info, size, 16);
ABI_AT(vfio_region_info, offset, 24);
ABI_SIZE(vfio_region_sparse_mmap_area, 16);
ABI_SIZE(vfio_region_info_cap_sparse_mmap, 16);
ABI_SIZE(vfio_irq_info, 16);
ABI_SIZE(vfio_irq_set, 20);
ABI_AT(vfio_irq_set, data, 20);
ABI_SIZE(vfio_pci_dependent_device, 8);
ABI_SIZE(vfio_pci_hot_reset_info, 12);
ABI_SIZE(vfio_pci_hot_reset, 12);
ABI_SIZE(vfio_device_ioeventfd, 32);
ABI_AT(vfio_device_ioeventfd, fd, 24);
ABI_SIZE(vfio_device_feature, 8);
ABI_SIZE(vfio_device_low_power_entry_with_wakeup, 8);
ABI_SIZE(vfio_device_bind_iommufd, 16);
ABI_SIZE(vfio_device_attach_iommufd_pt, 12);
ABI_SIZE(vfio_device_detach_iommufd_pt, 8);
_Static_assert(VFIO_PCI_NUM_REGIONS == 9 && VFIO_PCI_NUM_IRQS == 5, "fixed ABI");

#endif
